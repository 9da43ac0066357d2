import { describe, expect, it } from 'vitest';
import { buildTimes, foldHistory, runTimes, type Told } from '../../../src/protocol/account/index.ts';
import type { Progress } from '../../../src/protocol/wire/progress.ts';

const build = (kind: 'leased' | 'delivered' | 'lost', who: string, slot: number | 'trusted' = 0, round = 1) =>
  ({ kind, round, slot, worker: `key of ${who}`, operator: who, reason: 'gone' }) as Progress;
const told = (...all: [at: number, progress: Progress | Progress['kind']][]): Told[] =>
  all.map(([at, progress]) => ({
    at,
    progress: (typeof progress === 'string' ? { kind: progress } : progress) as Progress,
  }));

describe('the time that builds take', () => {
  const history = told(
    [1_000, 'accepted'],
    [3_000, build('leased', 'ada')],
    [3_500, build('leased', 'bob', 1)],
    [4_000, build('leased', 'own', 'trusted')],
    [7_000, build('delivered', 'ada')],
    [8_000, build('lost', 'bob', 1)],
    [9_000, build('leased', 'cy', 1)],
    [12_000, build('delivered', 'cy', 1)],
  );

  it('is from the lease to the receipt or its loss, the trusted worker included', () => {
    const builds = buildTimes(history).map(({ operator, startedAt, ms, end }) => [
      operator,
      startedAt,
      ms,
      end,
    ]);
    expect(builds).toEqual([
      ['ada', 3_000, 4_000, 'delivered'],
      ['bob', 3_500, 4_500, 'lost'],
      ['own', 4_000, undefined, undefined],
      ['cy', 9_000, 3_000, 'delivered'],
    ]);
  });

  it('of a run is known once none of them goes on, and of what is over from its publication too', () => {
    const at = (more: Told[], over: boolean) =>
      runTimes({ history: [...history, ...more], submittedAt: 1_000 }, { over });
    expect(at([], false)).toEqual({ startedAt: 3_000 });
    // The trusted worker delivers in another round than the one it began in.
    const last = told([20_000, build('delivered', 'own', 'trusted', 2)]);
    expect(at(last, false)).toEqual({ startedAt: 3_000, tookMs: 17_000 });
    expect(at([...last, ...told([20_500, 'verdict'])], true)).toEqual({
      startedAt: 3_000,
      tookMs: 17_000,
      doneMs: 19_500,
    });
    expect(at(told([15_000, 'cancelled']), true)).toEqual({
      startedAt: 3_000,
      tookMs: 12_000,
      doneMs: 14_000,
    });
    expect(runTimes({ history: told([1, 'accepted']), submittedAt: 1 }, { over: false })).toEqual({});
  });

  it('is never less than none, and begins anew where a run is built again', () => {
    const back = told(
      [5_000, build('leased', 'ada')],
      [4_000, build('delivered', 'ada')],
      [3_000, 'verdict'],
    );
    expect(runTimes({ history: back, submittedAt: 9_000 }, { over: true })).toEqual({
      startedAt: 5_000,
      tookMs: 0,
      doneMs: 0,
    });
    const again = [...history, ...told([30_000, 'reopened'], [31_000, build('leased', 'dan')])];
    expect(buildTimes(again).map(({ operator }) => operator)).toEqual(['dan']);
  });
});

describe('a folded history', () => {
  it('has one entry for what happened within a second, and one sentence for several operators', () => {
    const folded = foldHistory(
      told(
        [1_000, 'accepted'],
        [1_400, build('leased', 'ada')],
        [1_500, build('leased', 'bo\u202eb', 1)],
        [1_600, build('leased', 'own', 'trusted')],
        [1_999, build('leased', 'cy', 2)],
        [2_000, build('delivered', 'ada')],
        [2_001, build('delivered', 'cy', 2)],
        [2_002, build('delivered', 'bob', 1)],
        [1_500, 'witnessing'],
      ),
    );
    expect(folded).toEqual([
      {
        at: 1_000,
        says: ['published', 'ada and bo\\u202eb build', 'own (trusted worker) builds', 'cy builds'],
      },
      { at: 2_000, says: ['ada, cy and bob are done; the results are sealed'] },
      { at: 1_500, says: ['witnesses look at the log'] },
    ]);
  });
});
