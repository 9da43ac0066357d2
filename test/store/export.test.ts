import { lstat, mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { codeOf, collect, damage, folder, noiseBytes, store, tar } from './support.ts';

describe('export', () => {
  it('writes files, modes, links and empty folders, and reports progress', async () => {
    const s = await store();
    const big = noiseBytes(2_500_000);
    const { root, bytes } = await s.importTar(
      await tar([
        { name: 'bin/run', body: big, mode: 0o700 },
        { name: 'bin/link', type: 'symlink', linkname: 'run' },
        { name: 'empty/', type: 'directory' },
        { name: 'readme', body: '' },
      ]),
      { into: s.public },
    );
    const dest = join(await folder(), 'out');
    const seen: [number, number][] = [];
    await s.exportDirectory(root, dest, { onProgress: (done, total) => seen.push([done, total]) });
    expect(seen.at(-1)).toEqual([bytes, bytes]);
    expect(Buffer.from(big).equals(await readFile(join(dest, 'bin/run')))).toBe(true);
    expect((await lstat(join(dest, 'bin/run'))).mode & 0o111).toBe(0o111);
    expect((await lstat(join(dest, 'readme'))).mode & 0o111).toBe(0);
    expect(await readlink(join(dest, 'bin/link'))).toBe('run');
    expect(await readdir(join(dest, 'empty'))).toEqual([]);
    expect((await s.importDirectory(dest, { into: s.public })).root).toBe(root);
  });

  it('leaves what is there alone and leaves nothing half written', async () => {
    const s = await store();
    const { root } = await s.importTar(await tar([{ name: 'a', body: 'x' }]), { into: s.public });
    const base = await folder();
    await writeFile(join(base, 'file'), 'mine');
    await mkdir(join(base, 'full'));
    await writeFile(join(base, 'full/mine'), 'mine');
    await mkdir(join(base, 'empty'));
    expect(await codeOf(s.exportDirectory(root, join(base, 'file')))).toBe('STORE_DEST_NOT_EMPTY');
    expect(await codeOf(s.exportDirectory(root, join(base, 'full')))).toBe('STORE_DEST_NOT_EMPTY');
    await s.exportDirectory(root, join(base, 'empty'));
    const none = 'bafybeihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku';
    expect(await codeOf(s.exportDirectory(none, join(base, 'none')))).toBe('STORE_BLOCK_MISSING');
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await expect(s.exportDirectory(root, join(base, 'stopped'), { signal })).rejects.toBe(reason);
    const stop = new AbortController();
    const onProgress = () => stop.abort(reason);
    const options = { signal: stop.signal, onProgress };
    const entries = Array.from({ length: 40 }, (_, n) => ({ name: `f${n}`, body: `${n}` }));
    const many = await s.importTar(await tar(entries), { into: s.public });
    await expect(s.exportDirectory(many.root, join(base, 'stopped'), options)).rejects.toBe(reason);
    expect((await readdir(base)).sort()).toEqual(['empty', 'file', 'full']);
  });

  it('notices a block that the disk has damaged', async () => {
    const s = await store();
    const { root } = await s.importTar(await tar([{ name: 'a', body: 'good' }]), { into: s.public });
    const cid = (await collect(s.list(root)))[0]?.cid ?? '';
    await damage(s.dir, cid);
    expect(await codeOf(s.exportDirectory(root, join(await folder(), 'out')))).toBe('STORE_BLOCK_MISSING');
    expect(await s.has(root)).toBe(false);
  });

  it('reads single files, by CID or by path, within a limit', async () => {
    const s = await store();
    const body = noiseBytes(1_200_000);
    const { root } = await s.importTar(await tar([{ name: 'd/file', body }]), { into: s.public });
    const entry = await s.resolve(root, 'd/file');
    expect(entry).toMatchObject({ kind: 'file', size: 1_200_000, path: 'd/file' });
    expect(await s.resolve(root, 'd/none')).toBeUndefined();
    expect(await s.resolve(root, 'd/file/below')).toBeUndefined();
    expect((await s.resolve(root, ''))?.kind).toBe('dir');
    const cid = entry?.cid ?? '';
    expect(Buffer.from(body).equals(await s.readBytes(cid, { maxBytes: 1_200_000 }))).toBe(true);
    expect(await codeOf(s.readBytes(cid, { maxBytes: 1_199_999 }))).toBe('STORE_FILE_TOO_LARGE');
    expect(await codeOf(s.readBytes('nonsense', { maxBytes: 1 }))).toBe('STORE_CID_REFUSED');
    expect(Buffer.concat(await collect(s.readFile(cid))).length).toBe(1_200_000);
  });
});

describe('pins', () => {
  it('keep whole trees from being collected, until the last name is dropped', async () => {
    const s = await store();
    const kept = await s.importTar(
      await tar([
        { name: 'a/b', body: '1' },
        { name: 'c', body: 'shared' },
      ]),
      { into: s.public },
    );
    const dropped = await s.importTar(
      await tar([
        { name: 'x', body: '2' },
        { name: 'c', body: 'shared' },
      ]),
      { into: s.public },
    );
    await s.pin([kept.root], 'one');
    await s.pin([kept.root], 'two');
    await s.pin([kept.root], 'two');
    expect(await s.pins()).toEqual([{ root: kept.root, names: ['one', 'two'] }]);
    expect((await s.collect()).blocks).toBe(0);
    expect((await s.collect({ graceSeconds: -10 })).blocks).toBe(2);
    expect([await s.has(kept.root), await s.has(dropped.root)]).toEqual([true, false]);
    await s.unpin(kept.root, 'one');
    expect((await s.collect({ graceSeconds: -10 })).blocks).toBe(0);
    await s.unpin(kept.root, 'two');
    expect((await s.collect({ graceSeconds: -10 })).blocks).toBe(4);
    expect(await s.pins()).toEqual([]);
  });

  it('are refused for a tree that is not whole', async () => {
    const s = await store();
    const { root } = await s.importTar(await tar([{ name: 'a', body: '1' }]), { into: s.sealed('x') });
    expect(await codeOf(s.pin([root], 'x'))).toBe('STORE_BLOCK_MISSING');
  });

  it('are not needed while an import runs: what it used stays', async () => {
    const s = await store();
    const { PassThrough } = await import('node:stream');
    const slow = new PassThrough();
    const bytes = Buffer.concat(
      await collect(
        await tar([
          { name: 'a', body: '1' },
          { name: 'b', body: '2' },
        ]),
      ),
    );
    const importing = s.importTar(slow, { into: s.public });
    slow.write(bytes.subarray(0, 1200));
    await expect.poll(() => slow.readableLength).toBe(0);
    expect((await s.collect({ graceSeconds: -10 })).blocks).toBe(0);
    slow.end(bytes.subarray(1200));
    expect(await s.has((await importing).root)).toBe(true);
  });
});
