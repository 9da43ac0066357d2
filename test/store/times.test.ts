import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CID } from 'multiformats/cid';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Blocks } from '../../src/store/blocks.ts';
import { collect, folder, noiseBytes, reopened, store, tar } from './support.ts';

/** A clock that the test sets; timers run as they do. */
function clock(): (ms: number) => void {
  const began = Date.now();
  const now = vi.spyOn(Date, 'now').mockReturnValue(began);
  onTestFinished(() => now.mockRestore());
  return (ms) => now.mockReturnValue(began + ms);
}

const hourMs = 3600_000;

describe('a collection', () => {
  it('leaves what was used within the last hour', async () => {
    const set = clock();
    const s = await store();
    const { root } = await s.importTar(await tar([{ name: 'f', body: '1' }]), { into: s.public });
    set(hourMs - 1);
    expect((await s.collect()).blocks).toBe(0);
    expect(await s.has(root)).toBe(true);
    // Seen to be here: for another hour.
    set(2 * hourMs - 1);
    expect((await s.collect()).blocks).toBe(0);
    set(2 * hourMs + 1);
    expect((await s.collect()).blocks).toBe(2);
    expect(await s.has(root)).toBe(false);
  });

  it('leaves all that a running import used, however long it takes, and removes it later', async () => {
    const set = clock();
    const s = await store();
    const { root } = await s.importTar(await tar([{ name: 'f', body: '1' }]), { into: s.public });
    set(1);
    const { promise, resolve } = Promise.withResolvers<void>();
    const running = s.blocks.during(() => promise);
    set(3 * hourMs);
    expect((await s.collect()).blocks).toBe(2);
    const again = await s.importTar(await tar([{ name: 'f', body: '1' }]), { into: s.public });
    set(9 * hourMs);
    expect((await s.collect()).blocks).toBe(0);
    expect(await s.has(again.root)).toBe(true);
    expect(again.root).toBe(root);
    resolve();
    await running;
    set(99 * hourMs);
    expect((await s.collect()).blocks).toBe(2);
  });

  it('removes more than one page of blocks, and ends with the signal', async () => {
    const s = await store();
    const entries = Array.from({ length: 1_100 }, (_, n) => ({ name: `f${n}`, body: `${n}` }));
    await s.importTar(await tar(entries), { into: s.public });
    const stopped = s.collect({ graceSeconds: -10, signal: AbortSignal.abort() });
    await expect(stopped).rejects.toThrow();
    expect((await s.collect({ graceSeconds: -10 })).blocks).toBeGreaterThan(500);
    expect((await s.collect({ graceSeconds: -10 })).blocks).toBe(0);
    expect((await s.usage()).bytes).toBeLessThan(1_000);
  });
});

it('the use of a pinned tree is written down once a minute', async () => {
  const set = clock();
  const dir = await folder();
  const s = await reopened(dir);
  const { root } = await s.importTar(await tar([{ name: 'f', body: '1' }]), { into: s.public });
  await s.pin([root], 'p');
  const lines = () => readFileSync(join(dir, 'pins.log'), 'utf8').split('\n').length;
  const before = lines();
  for (const ms of [1, 59_999]) {
    set(ms);
    s.blocks.asked(CID.parse(root));
  }
  expect(lines()).toBe(before);
  set(60_000);
  s.blocks.asked(CID.parse(root));
  s.blocks.asked(CID.parse(root));
  expect(lines()).toBe(before + 1);
  // A tree that nobody pinned has none.
  s.blocks.asked(CID.parse('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'));
  expect(lines()).toBe(before + 1);
});

describe('blocks', () => {
  it('that wait to be written can be read, and are bounded: who adds more waits', async () => {
    const blocks = await Blocks.open(join(await folder(), 'public'));
    onTestFinished(() => blocks.close());
    const MiB = 1024 * 1024;
    let most = 0;
    await blocks.batch(async () => {
      for (let n = 0; n < 48; n++) {
        const bytes = noiseBytes(MiB, n);
        const digest = createHash('sha256').update(bytes).digest();
        const cid = CID.decode(Uint8Array.from([1, 0x55, 0x12, 32, ...digest]));
        await blocks.put(cid, bytes);
        most = Math.max(most, blocks.writer.unwrittenBytes);
        expect(Buffer.compare(await blocks.read(cid), bytes)).toBe(0);
      }
    });
    expect(blocks.writer.unwrittenBytes).toBe(0);
    expect(most).toBeLessThanOrEqual(18 * MiB);
  });

  it('are in packs of 64 MiB at most', async () => {
    const s = await store();
    const entries = [1, 2, 3].map((n) => ({ name: `f${n}`, body: noiseBytes(30 * 1024 * 1024, n) }));
    const { root } = await s.importTar(await tar(entries), { into: s.public });
    expect((await s.usage()).bytes).toBeGreaterThan(90 * 1024 * 1024);
    const folderOf = join(s.dir, 'public');
    const packs = readdirSync(folderOf).filter((name) => name.endsWith('.car'));
    expect(packs).toHaveLength(2);
    for (const name of packs)
      expect(statSync(join(folderOf, name)).size).toBeLessThanOrEqual(64 * 1024 * 1024);
    expect((await collect(s.exportTar(root))).length).toBeGreaterThan(0);
  });
});
