import { statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, it, onTestFinished } from 'vitest';
import { entriesIn, entryAt, fileContent } from '../../src/store/tree-path.ts';
import { collect, folder, noiseBytes, store, tar } from './support.ts';

it('a collection that is ended says so, and takes no pinned tree for incomplete', async () => {
  const s = await store();
  const { root } = await s.importTar(await tar([{ name: 'f', body: '1' }]), { into: s.public });
  await s.pin([root], 'p');
  const reason = new Error('enough');
  await expect(s.collect({ graceSeconds: -10, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect(await s.has(root)).toBe(true);
});

it('an import that waits for its parser again and again leaves no listener behind', async () => {
  const warnings: string[] = [];
  const onWarning = ({ name }: Error) => void warnings.push(name);
  process.on('warning', onWarning);
  onTestFinished(() => void process.off('warning', onWarning));
  const s = await store();
  const chunks = await collect(await tar([{ name: 'f', body: noiseBytes(8 * 1024 * 1024) }]));
  const whole = Buffer.concat(chunks as Uint8Array[]);
  const pieces = Array.from({ length: Math.ceil(whole.length / 65_536) }, (_, n) =>
    whole.subarray(n * 65_536, (n + 1) * 65_536),
  );
  await s.importTar(Readable.from(pieces, { objectMode: false }), { into: s.public });
  await new Promise(setImmediate);
  expect(warnings).toEqual([]);
});

it('a tree that others are to read is readable, whatever the umask; another one is not', async () => {
  const s = await store();
  const { root } = await s.importTar(await tar([{ name: 'd/f', body: '1' }]), { into: s.public });
  // The folder of other tests is made under the usual one.
  const dir = await folder();
  const before = process.umask(0o077);
  onTestFinished(() => void process.umask(before));
  const modeOf = (...names: string[]) => statSync(join(dir, ...names)).mode & 0o777;
  await s.exportDirectory(root, join(dir, 'shown'), { readable: true });
  await s.exportDirectory(root, join(dir, 'hidden'), {});
  expect([modeOf('shown'), modeOf('shown', 'd'), modeOf('shown', 'd', 'f')]).toEqual([0o755, 0o755, 0o644]);
  expect([modeOf('hidden', 'd'), modeOf('hidden', 'd', 'f')]).toEqual([0o700, 0o600]);
});

it('an export that cannot be written says what the system said', async () => {
  const s = await store();
  const { root } = await s.importTar(await tar([{ name: 'f', body: '1' }]), { into: s.public });
  await expect(s.exportDirectory(root, '/proc/quorate-export')).rejects.toMatchObject({
    code: 'STORE_DEST_FAILED',
    message: expect.stringMatching(/^cannot write the tree to \/proc\/quorate-export: ENOENT/),
  });
});

it('a tree tells its entries, one of them, and the bytes of a file', async () => {
  const s = await store();
  const { root } = await s.importTar(await tar([{ name: 'd/f', body: 'text' }]), { into: s.public });
  const tree = s.tree(root);
  expect((await entriesIn(tree)).map(({ path }) => path)).toEqual(['d']);
  const found = await entryAt(tree, 'd/f');
  expect(found).toMatchObject({ path: 'd/f', size: 4 });
  expect(await entryAt(tree, 'd/g')).toBeUndefined();
  const file = s.tree(found?.cid ?? '');
  expect(Buffer.concat(await collect(fileContent(file))).toString()).toBe('text');
});
