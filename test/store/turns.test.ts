import type { Blockstore } from 'interface-blockstore';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Slices } from '../../src/protocol/base/slices.ts';
import { TreeBuilder } from '../../src/store/tree-builder.ts';

const folders = 15_000;

/** Builds a tree of many folders; gives the most that were written without a turn for others, as a part of all. */
async function longestTurn(pathOf: (n: number) => string): Promise<number> {
  const tree = new TreeBuilder(2 * folders);
  for (let n = 0; n < folders; n++) tree.addFolder(pathOf(n));
  let [written, last, longest, isOver] = [0, 0, 0, false];
  // As where the blocks are there already: nothing else gives the event loop to others.
  const put = async (cid: unknown) => {
    written += 1;
    return cid;
  };
  const turn = () => {
    longest = Math.max(longest, written - last);
    last = written;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  await tree.build({ put } as unknown as Blockstore);
  turn();
  isOver = true;
  return longest / written;
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
