import { expect, it } from 'vitest';
import { reportedError } from '../../../src/protocol/base/errors.ts';
import { announceAgain } from '../../../src/protocol/sessions/announce-again.ts';
import type { Clock } from '../../../src/protocol/sessions/ports.ts';

/** Announces these artifacts, of which the names of some fail; `last`: the clock closes after it. */
async function announcing(artifacts: string[], last?: string) {
  const [announced, told, waits]: [string[], string[], number[]] = [[], [], []];
  const state = { closing: false };
  const clock = {
    get closing() {
      return state.closing;
    },
    after: (ms: number, act: () => void) => {
      waits.push(ms);
      queueMicrotask(act);
      return () => {};
    },
    onClosing: () => () => {},
  } as unknown as Clock;
  const announce = async (artifact: string) => {
    announced.push(artifact);
    state.closing = artifact === last;
    if (artifact.startsWith('bad')) throw reportedError('MESH_TIMEOUT', `not ${artifact}`);
  };
  const tell = (_level: string, kind: string, says: string) => void told.push(`${kind}: ${says}`);
  await announceAgain({ clock, announce, tell }, artifacts);
  return { announced, told, waits };
}

it('earlier announcements are made again one after the other, with a second between; a failure is told once', async () => {
  const artifacts = ['a', 'bad b', 'c', 'bad d'];
  const { announced, told, waits } = await announcing(artifacts);
  expect(announced).toEqual(artifacts);
  expect(told).toEqual([expect.stringContaining('not bad b')]);
  expect(waits).toEqual([1_000, 1_000, 1_000, 1_000]);
});

it('they end with the node, which says nothing more', async () => {
  const { announced, told } = await announcing(['a', 'bad b', 'c'], 'bad b');
  expect([announced, told]).toEqual([['a', 'bad b'], []]);
});
