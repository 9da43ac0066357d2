import type { Blockstore } from 'interface-blockstore';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Slices } from '../../src/protocol/base/slices.ts';
import { TreeBuilder } from '../../src/store/tree-builder.ts';

const folders = 15_000;

/** Milliseconds of a processor that this thread has had, however many others wanted one. */
function spentMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** Builds a tree of many folders; gives the most work that was done without a turn for others, as a part of the whole. */
async function longestTurn(pathOf: (n: number) => string): Promise<number> {
  const tree = new TreeBuilder(2 * folders);
  for (let n = 0; n < folders; n++) tree.addFolder(pathOf(n));
  // As where the blocks are there already: nothing else gives the event loop to others.
  const blocks = { put: async (cid: unknown) => cid } as unknown as Blockstore;
  const began = spentMs();
  let [last, longest, isOver] = [began, 0, false];
  const turn = () => {
    longest = Math.max(longest, spentMs() - last);
    last = spentMs();
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  await tree.build(blocks);
  turn();
  isOver = true;
  return longest / (spentMs() - began);
}

describe('a tree of many folders that is written', () => {
  it('leaves the event loop to heartbeats, whether they lie in one folder or in many', async () => {
    expect(await longestTurn((n) => `folder-${n}`)).toBeLessThan(0.5);
    expect(await longestTurn((n) => `${n % 200}/folder-${n}`)).toBeLessThan(0.25);
  });

  it('control: holds it to the end without slices', async () => {
    vi.spyOn(Slices.prototype, 'isOver', 'get').mockReturnValue(false);
    onTestFinished(() => void vi.restoreAllMocks());
    expect(await longestTurn((n) => `folder-${n}`)).toBeGreaterThan(0.9);
  });
});
