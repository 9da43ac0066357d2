import { createHash, Hash } from 'node:crypto';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Slices } from '../../src/protocol/base/slices.ts';
import { LongWork, sha256InSlices, sortInSlices } from '../../src/store/long-work.ts';
import { noiseBytes } from './support.ts';

/** How often work asked whether its slice is over, and gave others a turn; it is over each time, or never. */
function slices(isOver: boolean) {
  const asked = vi.spyOn(Slices.prototype, 'isOver', 'get').mockReturnValue(isOver);
  const turned = vi.spyOn(Slices.prototype, 'next').mockResolvedValue();
  onTestFinished(() => void vi.restoreAllMocks());
  return { asked, turned };
}

describe('a sort in slices', () => {
  const items = (count: number) =>
    Array.from(new Uint32Array(noiseBytes(4 * count).slice().buffer), (n, at) => ({ key: n % 97, at }));
  const compare = (a: { key: number }, b: { key: number }) => a.key - b.key;

  it.each([0, 1, 511, 512, 513, 1_024, 1_025, 2_000, 5_000])(
    'of %i items is as a plain one, equal items in their order',
    async (count) => {
      const all = items(count);
      expect(await sortInSlices(all, compare, new LongWork())).toEqual(all.toSorted(compare));
    },
  );

  it('asks after 512 items at most, and gives no turn before its slice is over', async () => {
    const { asked, turned } = slices(false);
    await sortInSlices(items(2_048), compare, new LongWork());
    // Four runs, two merges of 1,024 and one of 2,048.
    expect(asked).toHaveBeenCalledTimes(4 + 2 * 2 + 4);
    expect(turned).not.toHaveBeenCalled();
  });

  it('gives a turn each time', async () => {
    const { turned } = slices(true);
    await sortInSlices(items(1_100), compare, new LongWork());
    expect(turned).toHaveBeenCalledTimes(3 + 2 + 2);
  });

  it('ends with its signal', async () => {
    vi.spyOn(Slices.prototype, 'isOver', 'get').mockReturnValue(true);
    onTestFinished(() => void vi.restoreAllMocks());
    const gone = new LongWork(AbortSignal.abort(new Error('gone')));
    await expect(sortInSlices(items(2), compare, gone)).rejects.toThrow('gone');
  });
});

describe('a hash in slices', () => {
  it('is taken of 256 KiB at a stretch', async () => {
    const { turned } = slices(true);
    const update = vi.spyOn(Hash.prototype, 'update');
    const bytes = noiseBytes(1024 * 1024 + 1);
    expect(await sha256InSlices(bytes)).toBe(createHash('sha256').update(bytes).digest('hex'));
    const sizes = () => update.mock.calls.map(([data]) => data.length);
    expect(sizes().slice(0, 5)).toEqual([262_144, 262_144, 262_144, 262_144, 1]);
    expect(turned).toHaveBeenCalledTimes(5);
    update.mockClear();
    await sha256InSlices(bytes.subarray(0, 524_288));
    expect(sizes()).toEqual([262_144, 262_144]);
  });

  it('gives no turn before its slice is over', async () => {
    const { turned } = slices(false);
    expect(await sha256InSlices(new Uint8Array())).toBe(createHash('sha256').digest('hex'));
    await sha256InSlices(noiseBytes(600_000));
    expect(turned).not.toHaveBeenCalled();
  });
});
