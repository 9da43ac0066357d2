import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { fetchIndex, provenIndex, readIndexFile } from '../../../src/node/artifacts/dependency-index.ts';
import { fetchArtifact } from '../../../src/node/artifacts/fetch.ts';
import { artifactLimits } from '../../../src/node/artifacts/limits.ts';
import { fetchMade, madeOf } from '../../../src/node/artifacts/made.ts';
import { fromUtf8, toUtf8 } from '../../../src/protocol/base/text.ts';
import { decodeBundle } from '../../../src/protocol/documents/index.ts';
import { encodeIndex, makeIndex } from '../../../src/protocol/lock-formats/index.ts';
import { verifyBundle } from '../../../src/protocol/trust/index.ts';
import { serveTrees } from '../../../src/transfer/index.ts';
import { noiseBytes, store } from '../../store/support.ts';
import { peer, verdictOn } from '../../store-node/node/support.ts';
import { codeOf, folder } from '../../support/code-and-folder.ts';
import { project, type Recipe } from '../../support/project.ts';
import { withLimits } from '../../support/with-limits.ts';
import { answering, importInto, node, serving } from '../../transfer/support.ts';

const signal = AbortSignal.timeout(300_000);

beforeEach(() => withLimits(artifactLimits, { againMs: 1 }));

const made = new Map<number, string>();
/** An index of a lock file with so many packages. */
function indexText(packages: number): string {
  const before = made.get(packages);
  if (before !== undefined) return before;
  const integrity = `sha512-${'A'.repeat(86)}==`;
  const names = Array.from({ length: packages }, (_, n) => [
    `node_modules/p${n}`,
    { version: '1.0.0', integrity },
  ]);
  const lock = JSON.stringify({ lockfileVersion: 3, packages: Object.fromEntries(names) });
  const files = new Map([['package-lock.json', toUtf8(lock)]]);
  const facts = { sha256: '12'.repeat(32), size: 1 };
  const { bytes } = encodeIndex(
    makeIndex({ locks: ['package-lock.json'], files, arch: 'x86_64' }, () => facts),
  );
  made.set(packages, fromUtf8(bytes));
  return fromUtf8(bytes);
}
const tree = (packages: number, seed = 1) => [
  { name: 'index.json', body: indexText(packages) },
  ...Array.from({ length: 20 }, (_, n) => ({ name: `sha256/${n}`, body: noiseBytes(200_000, seed + n) })),
];

/** A node without a block, connected to peers. */
async function wanting(...peers: Awaited<ReturnType<typeof node>>[]) {
  const ends = { mesh: await node(), store: await store() };
  for (const peer of peers) await ends.mesh.connect(peer.addresses());
  return { ...ends, from: peers.map(({ id }) => id) };
}

describe('the index of dependencies', () => {
  // One block, and several with one that names them.
  it.each([3, 4_000])(
    'of %i packages comes without the files that it names, and as a file leads from the tree',
    async (packages) => {
      const provider = await serving();
      const root = await importInto(provider.store, tree(packages));
      const { from, ...ends } = await wanting(provider.mesh);
      const { index, car } = await fetchIndex(ends, root, { from, signal });
      expect(index.blobs).toHaveLength(packages);
      expect(car.length).toBeLessThan(indexText(packages).length + 20_000);
      expect(await ends.store.has(root)).toBe(false);
      const files = await provider.store.resolve(root, 'sha256');
      expect(await ends.store.has(files?.cid ?? '')).toBe(false);
      expect((await readIndexFile(car, root, signal)).index).toEqual(index);
    },
  );

  it('is refused as a file in which anything was changed, left out or added, and as that of another artifact', async () => {
    const provider = await serving();
    const root = await importInto(provider.store, tree(4_000));
    const other = await importInto(provider.store, tree(4_000, 100));
    const { from, ...ends } = await wanting(provider.mesh);
    const { car } = await fetchIndex(ends, root, { from, signal });
    const refused = (bytes: Uint8Array, of = root) => codeOf(() => readIndexFile(bytes, of, signal));
    for (const at of [0, 130, 400, car.length - 1]) {
      const changed = Uint8Array.from(car);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(await refused(changed), `byte ${at}`).toBe('DEPENDENCY_INDEX_MISMATCH');
    }
    for (const bytes of [car.subarray(0, -1), car.subarray(0, 200), Buffer.concat([car, car]), Buffer.of()])
      expect(await refused(bytes)).toBe('DEPENDENCY_INDEX_MISMATCH');
    expect(await refused(car, other)).toBe('DEPENDENCY_INDEX_MISMATCH');
  });

  it('is taken from whoever has it, and from nobody who sends other bytes', async () => {
    const provider = await serving();
    const root = await importInto(provider.store, tree(3));
    const bare = await serving();
    const liar = await answering((channel) =>
      serveTrees(channel, {
        asked: () => {},
        links: (cid, bytes) => provider.store.blocks.links(cid, bytes),
        read: async (cid) => {
          const bytes = Uint8Array.from(await provider.store.blocks.read(cid));
          bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
          return bytes;
        },
      }),
    );
    const { from, ...ends } = await wanting(bare.mesh, liar, provider.mesh);
    expect((await fetchIndex(ends, root, { from, signal })).index.blobs).toHaveLength(3);
    const { car } = await fetchIndex(ends, root, { from, signal });
    const stopped = AbortSignal.abort(new Error('enough'));
    for (const act of [
      () => fetchIndex(ends, root, { from, signal: stopped }),
      () => provenIndex(ends.store, root, stopped),
      () => readIndexFile(car, root, stopped),
    ])
      await expect(act()).rejects.toThrow(/^enough$/);
    const alone = await wanting(bare.mesh, liar);
    const asked = fetchIndex(alone, root, { from: alone.from, signal });
    await expect(asked).rejects.toMatchObject({
      code: 'DEPENDENCIES_UNAVAILABLE',
      message: expect.stringMatching(/TRANSFER_BLOCK_MISSING.*TRANSFER_HASH_MISMATCH/),
    });
  });

  it('is refused where the tree has none, or something else', async () => {
    const provider = await serving();
    const { from, ...ends } = await wanting(provider.mesh);
    for (const entries of [
      [{ name: 'sha256/1', body: 'x' }],
      [{ name: 'index.json', body: '{}' }],
      [{ name: 'a', body: 'first' }, ...tree(3)],
    ]) {
      const root = await importInto(provider.store, entries);
      expect(await codeOf(() => fetchIndex(ends, root, { from, signal }))).toBe('DEPENDENCY_INDEX_MISMATCH');
    }
  });
});

describe('the materials of an artifact', () => {
  /** Evidence of a peer that has the artifact, and the tree of what its job depends on. */
  async function built() {
    const one = await peer();
    const [artifact, index] = [await one.add('app'), await importInto(one.store, tree(3))];
    const job = { dependencies: { locks: ['package-lock.json'], tree: index } };
    const { text } = await verdictOn(artifact, { job });
    one.bundles.set(artifact, text);
    const controllers = [{ id: one.mesh.id, addrs: one.mesh.addresses() }];
    const bootstrap = one.mesh.addresses();
    const options = { project, bootstrap, controllers, signal, onProgress: () => {} };
    return { one, artifact, index, text, options };
  }
  const verified = async (text: string) => {
    const bundle = decodeBundle(text);
    return [bundle, await verifyBundle(bundle, { project, revocations: [] }, joseVerifier), project] as const;
  };

  it('have the index of its dependencies from a file, or from the peers that have the artifact', async () => {
    const { one, artifact, index, text, options } = await built();
    const from = { from: [one.mesh.id], signal };
    const { car: file } = await fetchIndex(await wanting(one.mesh), index, from);
    const told: string[] = [];
    const onProgress = ({ says }: { says: string }) => void told.push(says);
    const fetching = 'fetching the index of the dependencies';
    const made = { level: 'trusted', index: { blobs: { length: 3 } } };
    expect(await fetchMade(artifact, { ...options, onProgress }, file)).toMatchObject(made);
    expect(told).not.toContain(fetching);
    expect(await fetchMade(artifact, { ...options, onProgress }, undefined)).toMatchObject(made);
    expect(told).toContain(fetching);
    const got = (withIndex: boolean) => async () => {
      const dest = join(await folder(), 'out');
      return (await fetchArtifact({ ...options, artifact, dest, withIndex })).index;
    };
    expect(await got(true)()).toEqual(file);
    expect(await got(false)()).toBeUndefined();
    const args = await verified(text);
    expect(await madeOf(...args, { file, signal })).toMatchObject(made);
    expect(await codeOf(() => madeOf(...args, { file: undefined, signal }))).toBe('DEPENDENCY_INDEX_MISSING');
    expect(await codeOf(() => madeOf(...args, { file: file.subarray(1), signal }))).toBe(
      'DEPENDENCY_INDEX_MISMATCH',
    );
  });

  const failed = { kind: 'exit', code: 1, artifact: null } as const;
  it.each<[string, Recipe, string]>([
    ['of a test', { job: { kind: 'test' } }, 'ARTIFACT_OF_TEST'],
    [
      'of a build that failed',
      {
        runs: ['ada', 'bob', 'cyd'].map((operator) => ({ operator, outcome: failed })),
        own: { operator: 'owner', slot: 'trusted', outcome: failed },
      },
      'EXPORT_NOTHING_BUILT',
    ],
    ['without its own run', { own: null, level: 'trusted' }, 'NOT_TRUSTED'],
  ])('are refused %s', async (_which, recipe, code) => {
    const { index } = await built();
    const args = await verified((await verdictOn(index, recipe)).text);
    expect(await codeOf(() => madeOf(...args, { file: undefined, signal }))).toBe(code);
  });
});
