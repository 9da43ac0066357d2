import type { Blockstore } from 'interface-blockstore';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Slices } from '../../src/core/slices.ts';
import { TreeBuilder } from '../../src/store/tree-builder.ts';

const folders = 30_000;

/** Builds a tree of many folders; gives the longest time that others waited for the event loop, as a part of the whole. */
async function longestWait(pathOf: (n: number) => string): Promise<number> {
  const tree = new TreeBuilder(2 * folders);
  for (let n = 0; n < folders; n++) tree.addFolder(pathOf(n));
  // As where the blocks are there already: nothing else gives the event loop to others.
  const blocks = { put: async (cid: unknown) => cid } as unknown as Blockstore;
  const began = performance.now();
  let [last, longest, isOver] = [began, 0, false];
  const turn = () => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  await tree.build(blocks);
  turn();
  isOver = true;
  return longest / (performance.now() - began);
}

describe('a tree of many folders that is written', () => {
  it('leaves the event loop to heartbeats, whether they lie in one folder or in many', async () => {
    expect(await longestWait((n) => `folder-${n}`)).toBeLessThan(0.5);
    expect(await longestWait((n) => `${n % 200}/folder-${n}`)).toBeLessThan(0.25);
  });

  it('control: holds it to the end without slices', async () => {
    vi.spyOn(Slices.prototype, 'isOver', 'get').mockReturnValue(false);
    onTestFinished(() => void vi.restoreAllMocks());
    expect(await longestWait((n) => `folder-${n}`)).toBeGreaterThan(0.9);
  });
});
