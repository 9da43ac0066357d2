import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { generateSeed } from '../src/identity/keys.ts';
import {
  decodeBundle,
  fetchArtifact,
  type NotTrusted,
  publicPemOf,
  QuorateError,
  verify,
} from '../src/index.ts';
import { type Mesh, openMesh } from '../src/mesh/index.ts';
import { openBundles, serveBundles } from '../src/node/artifacts/bundles.ts';
import { limits } from '../src/protocol/base/limits.ts';
import { encodeBundle } from '../src/protocol/documents/index.ts';
import { openStore } from '../src/store/index.ts';
import { refused } from './e2e/support/refused.ts';
import { makeProject, project, type Recipe, testKey, trusted } from './support/project.ts';

const closers: (() => unknown)[] = [];
afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-api-'));
  closers.push(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => new Error('it worked'),
    (thrown: unknown) => thrown,
  );
  return error instanceof QuorateError ? error.code : String(error);
}

describe('verify', () => {
  it('says what a bundle is worth, as text or taken apart', async () => {
    const { bundle, artifact } = await makeProject();
    const text = encodeBundle(bundle);
    const verification = await verify(text, { project });
    expect(verification).toMatchObject({ ok: true, level: 'trusted', code: null });
    expect(verification.facts).toMatchObject({ artifact, cosigners: [trusted.id] });
    expect(await verify(decodeBundle(text), { project })).toEqual(verification);
  });

  it('compares it with all leaves of the log, where it is given them', async () => {
    const { bundle, leaves } = await makeProject();
    expect(await verify(bundle, { project, leaves })).toMatchObject({ ok: true, level: 'trusted' });
    const receipt = `receipt ${'a'.repeat(64)} offer ${leaves.find((leaf) => leaf.startsWith('offer '))?.split(' ')[1]}`;
    const dropped = await makeProject({ log: (lines) => [...lines, receipt] });
    expect(await verify(dropped.bundle, { project, leaves: dropped.leaves })).toMatchObject({
      ok: false,
      code: 'RECEIPT_DROPPED',
    });
  });

  it('answers no, and does not throw, to a bundle that proves nothing', async () => {
    const { draft, bundle } = await makeProject();
    expect(await verify(draft, { project })).toMatchObject({ level: 'none', code: 'COSIGN_MISSING' });
    const elsewhere = await verify(bundle, { project: testKey('mallory').id });
    expect(elsewhere).toMatchObject({ level: 'none', code: 'CHARTER_PROJECT_MISMATCH', facts: null });
  });

  it('throws for what is no bundle, and for a project that is no key', async () => {
    const { bundle } = await makeProject();
    expect(await codeOf(verify('{"v":1}', { project }))).toBe('DOC_INVALID');
    expect(await codeOf(verify('hello', { project }))).toBe('DOC_NOT_JSON');
    expect(await codeOf(verify(bundle, { project: 'my-project' }))).toBe('KEY_INVALID');
    expect(() => decodeBundle('{ "v": 1 }')).toThrow(QuorateError);
  });

  it('holds an object to what a text is held to', async () => {
    const { bundle } = await makeProject();
    const given = (over: object) => verify({ ...bundle, ...over } as typeof bundle, { project });
    expect(await codeOf(given({ charter: [bundle.charter] }))).toBe('DOC_INVALID');
    expect(await codeOf(given({ receipts: undefined }))).toBe('DOC_INVALID');
    expect(await codeOf(given({ more: 'x'.repeat(limits.bundleBytesMax) }))).toBe('DOC_TOO_LARGE');
    expect(await codeOf(given({ v: 1n }))).toBe('DOC_NOT_JSON');
    expect(await given({ inputs: undefined })).toMatchObject({ level: 'trusted' });
  });
});

it('publicPemOf gives the key other tools take', () => {
  expect(publicPemOf(trusted.id)).toMatch(
    /^-----BEGIN PUBLIC KEY-----\n[\w+/=\n]+-----END PUBLIC KEY-----\n$/,
  );
});

/** As soon as there is a peer that takes the record. */
async function announce(mesh: Mesh, artifact: string): Promise<void> {
  let failure: unknown = new Error('never connected');
  for (const end = Date.now() + 120_000; Date.now() < end; ) {
    try {
      if (mesh.connected().length > 0) return await mesh.provide(artifact);
    } catch (error) {
      failure = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw failure;
}

/** A mesh of a bootstrap node and one volunteer that serves an artifact and a bundle that says it was built. */
async function volunteer(recipe: Recipe, proof: 'bundle' | 'draft') {
  const listen = ['/ip4/127.0.0.1/tcp/0'];
  const boot = await openMesh({ key: generateSeed(), listen, bootstrap: [], topics: [], role: 'bootstrap' });
  closers.push(() => boot.close());
  const bootstrap = boot.addresses();
  const mesh = await openMesh({ key: generateSeed(), listen, bootstrap, topics: [], role: 'node' });
  closers.push(() => mesh.close());
  const dir = await folder();
  const store = await openStore({ dir: join(dir, 'store'), libp2p: mesh.libp2p });
  closers.push(() => store.close());
  const source = await folder();
  await writeFile(join(source, 'app'), 'built by three\n');
  const { root: artifact } = await store.importDirectory(source, { into: store.public });

  const outcome = { kind: 'exit', code: 0, artifact } as const;
  const runs = ['ada', 'bob', 'cyd'].map((operator) => ({ operator, outcome }));
  const made = await makeProject({ runs, own: { operator: 'owner', outcome }, ...recipe });
  const bundles = openBundles(join(dir, 'bundles'));
  await bundles.put({ run: made.request.id, job: made.jobId, artifact }, encodeBundle(made[proof]));
  serveBundles(mesh, bundles);
  await announce(mesh, artifact);
  return { artifact, bootstrap, id: mesh.id };
}

/** The error with which a fetch is refused for its evidence. */
const refusal = (options: Parameters<typeof fetchArtifact>[0]): Promise<NotTrusted> =>
  refused(
    () =>
      fetchArtifact(options).then(
        () => {
          throw new Error('it was not refused');
        },
        (error: NotTrusted) => error,
      ),
    ({ code }) => code === 'ARTIFACT_NOT_FOUND',
  );

describe('fetchArtifact', () => {
  it('brings an artifact from a volunteer, with the evidence', async () => {
    const { artifact, bootstrap, id } = await volunteer({}, 'bundle');
    const dest = join(await folder(), 'out');
    const phases: string[] = [];
    const fetched = await fetchArtifact({
      artifact,
      project,
      bootstrap,
      dest,
      onProgress: ({ phase }) => phases.push(phase),
    });
    expect(await readFile(join(dest, 'app'), 'utf8')).toBe('built by three\n');
    expect(fetched).toMatchObject({ providers: [id], controllerUsed: false });
    expect(await verify(fetched.bundleText, { project, artifact })).toEqual(fetched.verification);
    expect(phases).toEqual(expect.arrayContaining(['looking', 'proving', 'fetching', 'writing']));
  });

  it('brings nothing that is not trusted, and tells why', async () => {
    const { artifact, bootstrap } = await volunteer({ own: null, level: 'agreed' }, 'draft');
    const dest = join(await folder(), 'out');
    const error = await refusal({ artifact, project, bootstrap, dest });
    expect(error.code).toBe('NOT_TRUSTED');
    expect(error.verification).toMatchObject({ ok: true, level: 'agreed' });
    expect(existsSync(dest)).toBe(false);
    expect(await codeOf(fetchArtifact({ artifact, project: 'x', bootstrap, dest }))).toBe('KEY_INVALID');
  });

  it('brings nothing whose verdict is older than asked for, before a byte is written', async () => {
    const { artifact, bootstrap } = await volunteer({}, 'bundle');
    const dest = join(await folder(), 'out');
    const error = await refusal({ artifact, project, bootstrap, dest, maxAge: 30 * 86_400 });
    expect(error.verification).toMatchObject({ ok: false, code: 'VERDICT_TOO_OLD' });
    expect(existsSync(dest)).toBe(false);
    const maxAge = 100 * 365 * 86_400;
    await fetchArtifact({ artifact, project, bootstrap, dest, maxAge });
    expect(existsSync(dest)).toBe(true);
  });

  it('gives up when told to', async () => {
    const { artifact } = await makeProject();
    const signal = AbortSignal.timeout(200);
    const options = {
      artifact: artifact ?? '',
      project,
      bootstrap: [],
      dest: join(await folder(), 'out'),
      signal,
    };
    expect(await codeOf(fetchArtifact(options))).toMatch(/TimeoutError/);
  });
});
