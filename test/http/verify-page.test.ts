import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { verifyPageApp } from '../../src/http/verify-page/app.ts';
import { check, demandsOf, type Question } from '../../src/http/verify-page/browser/check.ts';
import { contentOf, type GivenFile } from '../../src/http/verify-page/browser/content.ts';
import type { Brought } from '../../src/http/verify-page/browser/knowledge.ts';
import type { NodeKey } from '../../src/identity/keys.ts';
import { openWebVerifier } from '../../src/identity/web-verifier.ts';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import { toUtf8 } from '../../src/protocol/base/text.ts';
import { canonicalText, encodeBundle, signMessage, typOf } from '../../src/protocol/documents/index.ts';
import { addWitness, witnessCheckpoint } from '../../src/protocol/transparency/index.ts';
import { type Real, realProject, scratch } from '../proof/support.ts';
import { carOf } from '../support/car.ts';
import { at, idp, root, trusted } from '../support/documents.ts';
import { programFolder } from '../support/program.ts';
import { makeProject, noteOf, project, revocationBy } from '../support/project.ts';

let real: Real;
beforeAll(async () => {
  real = await realProject();
});

/** A file on disk, as a browser gives it. */
async function given(file: string, path: string): Promise<GivenFile> {
  return { path, size: (await stat(file)).size, read: () => createReadStream(file) };
}

async function folder(dir: string): Promise<GivenFile[]> {
  const names = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(files.map((file) => given(file, file.slice(dir.length + 1))));
}

/** A list without a revocation. */
const nothing: Brought = { from: 'list.json', revocations: ['{"charters":[],"revocations":[]}'] };

async function ask(files: GivenFile[], isFolder: boolean, over: Partial<Question> = {}) {
  const name = 'it';
  const content = await contentOf(files, isFolder, () => {}, AbortSignal.timeout(120_000)).catch(
    (error: unknown) => {
      if (error instanceof QuorateError) return error;
      throw error;
    },
  );
  const text = encodeBundle(real.bundle);
  const bundle = { name: 'tool.bundle', bytes: text.length, text: async () => text };
  const question = { project, bundle, artifact: { name, given: content }, brought: nothing, now: Date.now() };
  return check({ ...question, ...over }, await openWebVerifier());
}

describe('the page that verifies', () => {
  it('finds a folder to be the artifact, executable files included', async () => {
    const { isTrusted, last, result } = await ask(await folder(real.tool), true);
    expect({ isTrusted, last }).toEqual({ isTrusted: true, last: 'it can be trusted.' });
    expect(result.steps.at(-1)?.says).toBe(`Recomputed from the files: they are ${real.cid}, all of it.`);
  });

  it('finds the archive of a controller, and a file by its hash and path', async () => {
    const file = join(await scratch(), 'a.car');
    await writeFile(file, await carOf(real.tool));
    expect(await ask([await given(file, 'a.car')], false)).toMatchObject({ isTrusted: true });
    const app = [await given(join(real.tool, 'bin/app'), 'app')];
    expect(await ask(app, false)).toMatchObject({ last: 'it can be trusted, as bin/app of the artifact.' });
    expect(await ask(app, false, { path: 'version' })).toMatchObject({
      isTrusted: false,
      result: { code: 'FILES_PATH_MISMATCH' },
    });
  });

  it('compares file by file where executable bits cannot be found out, and says what it leaves out', async () => {
    const data = await realProject({}, [['bin/data', 'no program\n']]);
    const own = { bundle: { name: 'b', bytes: 1, text: async () => encodeBundle(data.bundle) } };
    const { isTrusted, last, result, standing } = await ask(await folder(data.tool), true, own);
    expect({ isTrusted, standing }).toEqual({ isTrusted: true, standing: 'open' });
    expect(last).toBe('it can be trusted, but for executable bits, links and empty folders.');
    expect(result.steps.at(-1)?.says).toMatch(/each of \d files has .* a browser does not tell them/);
    const less = (await folder(data.tool)).filter(({ path }) => path !== 'bin/data');
    expect(await ask(less, true, own)).toMatchObject({
      isTrusted: false,
      result: { code: 'FILES_TREE_MISMATCH' },
    });
  });

  it('says of an old verdict, of evidence alone and of a file that is no bundle what it is', async () => {
    const app = [await given(join(real.tool, 'bin/app'), 'app')];
    expect(await ask(app, false, { maxAgeSeconds: 60 })).toMatchObject({
      isTrusted: false,
      result: { code: 'VERDICT_TOO_OLD' },
    });
    const alone = await ask([], false, { artifact: undefined });
    expect(alone).toMatchObject({
      isTrusted: false,
      standing: 'good',
      last: 'The evidence holds. No file was compared with it.',
    });
    const { bundle: agreed } = await makeProject({ own: null });
    const text = encodeBundle(agreed);
    const weak = { name: 'agreed.bundle', bytes: text.length, text: async () => text };
    expect(await ask([], false, { artifact: undefined, bundle: weak })).toMatchObject({
      standing: 'open',
      last: 'The evidence holds, and its level is not trusted. No file was compared with it.',
    });
    const bundle = { name: 'x', bytes: 2, text: async () => '{}' };
    await expect(ask(app, false, { bundle })).rejects.toMatchObject({ code: 'VERIFY_INPUT_INVALID' });
    const large = { ...bundle, bytes: 2 ** 40 };
    await expect(ask(app, false, { bundle: large })).rejects.toMatchObject({
      code: 'VERIFY_INPUT_INVALID',
    });
  });
});

describe('a demand on the page that verifies', () => {
  it('that cannot be met is refused, and not left out', async () => {
    const file = join(await scratch(), 'a.car');
    await writeFile(file, await carOf(real.tool));
    const refused = { code: 'VERIFY_INPUT_INVALID' };
    await expect(ask(await folder(real.tool), true, { path: 'bin/app' })).rejects.toMatchObject(refused);
    await expect(ask([await given(file, 'a.car')], false, { path: 'bin/app' })).rejects.toMatchObject(
      refused,
    );
  });

  it('is read as it is written, where the form did not check it: of files that are dropped', () => {
    const refused = expect.objectContaining({ code: 'VERIFY_INPUT_INVALID' });
    for (const wrong of [{ age: '30 days' }, { age: '0d' }, { recipe: 'tool.yaml' }])
      expect(() => demandsOf(wrong)).toThrow(refused);
    expect(demandsOf({ age: '', source: '', ref: '', recipe: '', path: '' })).toEqual({});
    expect(demandsOf({ age: '30d', ref: 'v1', path: 'bin/app' })).toEqual({
      maxAgeSeconds: 30 * 86_400,
      ref: 'v1',
      path: 'bin/app',
    });
  });
});

describe('the knowledge of revocations of the page that verifies', () => {
  const list = async (id: string) => {
    const what = { kind: 'artifact' as const, id };
    const { raw } = await revocationBy(idp, what, { reason: 'it phones home' });
    return JSON.stringify({ charters: [real.bundle.charter], revocations: [raw] });
  };
  const app = async () => [await given(join(real.tool, 'bin/app'), 'app')];
  /** A checkpoint with a line of the trusted worker, or of somebody else, as a feed serves it. */
  const served = async (by: NodeKey, seconds: number) => {
    const note = await noteOf({ size: 9, root: () => '0'.repeat(64) });
    const line = await witnessCheckpoint(note, by.signer, seconds);
    return JSON.stringify({ note: addWitness(note, line) });
  };

  it('is nothing where nobody was asked: no artifact can be trusted then', async () => {
    const { isTrusted, standing, last, lines } = await ask(await app(), false, { brought: undefined });
    expect({ isTrusted, standing, last }).toEqual({
      isTrusted: false,
      standing: 'open',
      last: 'it can be trusted, as bin/app of the artifact, unless something was revoked: nobody was asked.',
    });
    expect(lines.at(-1)).toMatchObject({ kind: 'warning', says: expect.stringContaining('not known here') });
  });

  it('is what a list says, and voids the artifact that it names', async () => {
    const brought = { from: 'list.json', revocations: [await list(real.cid)] };
    expect(await ask(await app(), false, { brought })).toMatchObject({
      isTrusted: false,
      standing: 'bad',
      last: 'it: no.',
      result: { code: 'ARTIFACT_REVOKED' },
    });
    const payload = { iss: root.id, project, what: { kind: 'job', id: real.cid }, since: 0, iat: at, v: 99 };
    const header = { alg: 'Ed25519', typ: typOf('revocation'), kid: root.id } as const;
    const raw = await root.signer.jws(header, toUtf8(canonicalText(payload as never)));
    const newer = { from: 'list.json', revocations: [JSON.stringify({ charters: [], revocations: [raw] })] };
    expect((await ask(await app(), false, { brought: newer })).result).toMatchObject({ code: 'DOC_NEWER' });
    const other = { from: 'list.json', revocations: [await list(`${real.cid.slice(0, -1)}q`)] };
    expect(await ask(await app(), false, { brought: other })).toMatchObject({ isTrusted: true });
  });

  it('is as old as the newest line of the trusted worker under the checkpoint of the server', async () => {
    const now = at * 1000 + 10 * 60_000;
    const said = async (brought: Brought) =>
      (await ask(await app(), false, { brought, now })).lines.slice(-2);
    const fresh = { ...nothing, checkpoint: await served(trusted, at + 60) };
    expect((await said(fresh)).at(-1)).toMatchObject({
      label: 'revoked',
      says: expect.stringMatching(
        /^nothing, by list\.json; the trusted worker .* signed the log 9 min.*; that no revocation is left out is the word of list\.json alone$/,
      ),
    });
    const warned = { kind: 'warning', says: expect.stringContaining('nobody but who gave it') };
    expect((await said(nothing)).at(-1)).toMatchObject(warned);
    // A line of anybody else says nothing.
    const others = { ...nothing, checkpoint: await served(idp, at + 60) };
    expect((await said(others)).at(-1)).toMatchObject(warned);
    const old = { ...nothing, checkpoint: await served(trusted, at - 200_000) };
    expect((await said(old)).at(-1)).toMatchObject({
      kind: 'warning',
      says: expect.stringMatching(/^What was revoked in the last 2 (d|days) /),
    });
  });

  it('is as old as nobody says, where who signed the log is revoked or says so ahead of the clock', async () => {
    const now = at * 1000 + 10 * 60_000;
    const last = async (brought: Brought) => (await ask(await app(), false, { brought, now })).lines.at(-1);
    const what = { kind: 'key' as const, id: trusted.id };
    // From a leaf on that the bundle has not reached: the artifact stays.
    const ended = { iss: project, project, what, since: 1_000_000, reason: 'it was stolen', iat: at };
    const { raw } = await signMessage('revocation', ended, root.signer);
    const revocations = [JSON.stringify({ charters: [], revocations: [raw] })];
    const warned = { kind: 'warning', says: expect.stringContaining('nobody but who gave it') };
    const checkpoint = await served(trusted, at + 60);
    expect(await last({ ...nothing, checkpoint })).toMatchObject({ label: 'revoked' });
    expect(await last({ from: 'x', revocations, checkpoint })).toMatchObject(warned);
    const ahead = await served(trusted, at + 86_400);
    expect(await last({ ...nothing, checkpoint: ahead })).toMatchObject(warned);
  });

  it('is nothing of a list that does not hold', async () => {
    const forged = JSON.parse(await list(real.cid));
    const part = JSON.stringify({ ...forged, next: 'a'.repeat(64) });
    for (const revocations of ['{', '[]', JSON.stringify({ ...forged, charters: [] }), part]) {
      const brought = { from: 'x', revocations: [revocations] };
      await expect(ask(await app(), false, { brought })).rejects.toMatchObject({
        code: 'REVOCATION_UNREADABLE',
      });
    }
    const brought = { ...nothing, checkpoint: '{"note":"x"}' };
    await expect(ask(await app(), false, { brought })).rejects.toMatchObject({
      code: 'REVOCATION_UNREADABLE',
    });
  });
});

describe('the page as it is served', () => {
  it('allows its own script and style, and connections for revocations only', async () => {
    const html = await readFile(join(programFolder, 'verify.html'));
    const text = html.toString('utf8');
    const policy = /http-equiv="content-security-policy" content="([^"]+)"/.exec(text)?.[1] ?? '';
    const hashOf = (tag: string) => {
      const inner = new RegExp(`<${tag}>([^]*?)</${tag}>`).exec(text)?.[1] ?? '';
      return `'sha256-${createHash('sha256').update(inner).digest('base64')}'`;
    };
    expect(policy).toContain(`script-src ${hashOf('script')};`);
    expect(policy).toContain(`style-src ${hashOf('style')};`);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("connect-src 'self' http: https:");
    expect(text.match(/<script/g)).toHaveLength(1);
    // The page loads no file from elsewhere.
    expect(text).not.toMatch(/<(?:script|img|link|iframe)[^>]+(?:src|href)="(?!data:)/);
    const app = verifyPageApp(async () => ({ html, policy }));
    const answer = await app.request('/verify');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-security-policy')).toBe(`${policy}; frame-ancestors 'none'`);
    expect(Buffer.from(await answer.arrayBuffer()).equals(html)).toBe(true);
    const etag = answer.headers.get('etag') ?? '';
    expect((await app.request('/verify', { headers: { 'if-none-match': etag } })).status).toBe(304);
  });
});
