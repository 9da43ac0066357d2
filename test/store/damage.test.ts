import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Blocks } from '../../src/store/blocks.ts';
import { cidOf } from '../../src/store/file-import.ts';
import { PinsIncomplete, type Store } from '../../src/store/index.ts';
import { PackFiles } from '../../src/store/pack-files.ts';
import { scrubBlocks } from '../../src/store/sweep.ts';
import { codeOf, damage, folder, noiseBytes, reopened, store, tar } from './support.ts';

/** A folder of files, each a block of its own, which no sweep would keep but for the pin. */
const files = Array.from({ length: 20 }, (_, n) => ({ name: `dir/f${n}`, body: noiseBytes(500, n + 1) }));
const tree = async (s: Store): Promise<string> =>
  (await s.importTar(await tar(files), { into: s.public })).root;
const sweep = (s: Store) => s.collect({ graceSeconds: -10 });

describe('a pinned tree of which one node is damaged on disk', () => {
  it('stops the sweep, so that the healthy rest stays, and is whole once the node is here again', async () => {
    const first = await store();
    const root = await tree(first);
    await first.pin([root], 'run 1');
    const { cid = '' } = (await first.resolve(root, 'dir')) ?? {};
    await first.close();
    await damage(first.dir, cid);

    const s = await reopened(first.dir);
    const error: unknown = await sweep(s).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(PinsIncomplete);
    expect(error).toMatchObject({ code: 'STORE_PINS_INCOMPLETE', roots: [root] });
    expect(await s.has(root)).toBe(false);
    // All of it but the node.
    const whole = await store();
    for (const { body } of files)
      expect(await s.has(await whole.importBytes(body, { into: whole.public }))).toBe(true);
    await tree(s);
    expect(await sweep(s)).toMatchObject({ blocks: 0 });
    expect(await s.has(root)).toBe(true);
  });
});

describe('a scrub', () => {
  it('finds a damaged block that nobody reads, and the next sweep names its tree', async () => {
    const first = await store();
    const root = await tree(first);
    await first.pin([root], 'run 1');
    const { cid = '' } = (await first.resolve(root, 'dir/f7')) ?? {};
    await first.close();
    await damage(first.dir, cid);

    const s = await reopened(first.dir);
    expect(await sweep(s)).toMatchObject({ blocks: 0 });
    const found = await s.scrub({ bytesPerSecond: Number.POSITIVE_INFINITY });
    expect(found).toMatchObject({ damaged: 1 });
    expect(found.blocks).toBeGreaterThanOrEqual(21);
    expect(await codeOf(sweep(s))).toBe('STORE_PINS_INCOMPLETE');
  });

  it('ends with a failure of the disk, which is no damaged block', async () => {
    const s = await store();
    await tree(s);
    const failure = Object.assign(new Error('input/output error'), { code: 'EIO' });
    vi.spyOn(PackFiles.prototype, 'read').mockRejectedValue(failure);
    onTestFinished(() => void vi.restoreAllMocks());
    await expect(s.scrub({ bytesPerSecond: Number.POSITIVE_INFINITY })).rejects.toBe(failure);
  });

  it('counts no block that was swept meanwhile', async () => {
    const blocks = await Blocks.open(await folder());
    onTestFinished(() => blocks.close());
    const cids = files.slice(0, 2).map(({ body }) => ({ cid: cidOf(0x55, body), body }));
    for (const { cid, body } of cids) await blocks.put(cid, body);
    await blocks.sync();
    const read = blocks.read.bind(blocks);
    blocks.read = async (cid) => {
      const bytes = await read(cid);
      for (const { digest, ...place } of blocks.index.rows())
        if (Buffer.compare(digest, cid.multihash.digest) !== 0) blocks.index.remove(digest, place);
      return bytes;
    };
    const found = await scrubBlocks(blocks, { bytesPerSecond: Number.POSITIVE_INFINITY });
    expect(found).toEqual({ blocks: 1, bytes: 500, damaged: 0 });
  });

  it('ends with its signal', async () => {
    const s = await store();
    await tree(s);
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(s.scrub({ bytesPerSecond: Number.POSITIVE_INFINITY, signal })).rejects.toThrow('enough');
  });
});

it('a store with thousands of pins opens and lists them with few file descriptors', async () => {
  const dir = await folder();
  await (await reopened(dir)).close();
  const lines = Array.from({ length: 3_000 }, (_, n) => `pin bafk${n} 1 a run\n`);
  await writeFile(join(dir, 'pins.log'), lines.join(''));
  const program = `
    const { openStore } = await import(${JSON.stringify(join(import.meta.dirname, '../../src/store/index.ts'))});
    const store = await openStore({ dir: ${JSON.stringify(dir)} });
    console.log((await store.pins()).length);
    await store.close();`;
  const limited = 'ulimit -n 100 && exec "$0" --input-type=module -e "$1"';
  const { stdout } = await promisify(execFile)('bash', ['-c', limited, process.execPath, program]);
  expect(stdout.trim()).toBe('3000');
});
