import { describe, expect, it } from 'vitest';
import { byAttention, defaultBranch, headlineOf, ladderOf } from '../../../src/protocol/account/index.ts';
import type { RunSummary } from '../../../src/protocol/wire/runs.ts';

const sha = (letter: string) => letter.repeat(64);
const job = (over: Partial<RunSummary> = {}): RunSummary => ({
  run: sha('a'),
  push: sha('a'),
  job: 'bafy',
  name: 'app',
  repo: 'r',
  ref: 'refs/heads/main',
  commit: 'c',
  state: 'done',
  level: 'trusted',
  artifact: 'bafyartifact',
  submittedAt: 1_000,
  doneMs: 14_000,
  round: 1,
  tally: { ended: 3, failed: 0, same: 3, by: ['alice', 'bob', 'carol'] },
  policy: { agree: 2, of: 3, cosign: true },
  ...over,
});
const open = { sealed: 0, building: [], connected: 3, eligible: 3, declined: [] };
const waiting = job({
  state: 'building',
  level: null,
  artifact: null,
  tally: undefined,
  doneMs: undefined,
  open,
});
const failed = job({ level: 'failed', artifact: null, tally: { ended: 3, failed: 3 } });
const says = (...jobs: RunSummary[]) => headlineOf({ ref: 'refs/heads/main', submittedAt: 0, jobs }).says;

describe('the sentence about a branch', () => {
  it.each<[string, RunSummary[]]>([
    ['main is trusted: alice, bob, carol and your own worker made the same bytes, in 14 s', [job()]],
    [
      'main is trusted: 2 operators and your own worker made the same bytes, in 14 s',
      [job({ tally: { ended: 2, failed: 0 } })],
    ],
    [
      'main is trusted: a, b, c, d, e, 2 other operators and your own worker made the same bytes, in 14 s',
      [job({ tally: { ended: 7, failed: 0, same: 7, by: [...'abcdefg'] } })],
    ],
    [
      'main is trusted: alice and bob made the same bytes, and witnesses signed the log, in 14 s',
      [job({ cosigned: false, tally: { ended: 2, failed: 0, by: ['alice', 'bob'] } })],
    ],
    [
      'main is trusted: operators of an earlier run and your own worker made the same bytes, in 14 s',
      [job({ earlier: sha('e'), tally: undefined })],
    ],
    [
      'main is trusted: 2 jobs, each with the same bytes from alice, bob, carol and your own worker, in 16 s',
      [job(), job({ name: 'test', test: true, artifact: null, submittedAt: 3_000, cosigned: false })],
    ],
    [
      'main is trusted: 2 jobs, each with the same bytes from enough operators, in 14 s',
      [job(), job({ name: 'docs', push: sha('b'), submittedAt: 900_000, tally: undefined })],
    ],
    ['main failed: the build failed at 3 operators and at the trusted worker', [failed]],
    [
      'main failed: lib and 1 other job: the build failed at 3 operators and at the trusted worker',
      [job(), { ...failed, name: 'lib' }, { ...failed, name: 'docs' }],
    ],
    [
      'main is disputed: app: operators came to different results',
      [job({ name: 'lib' }), job({ level: 'disputed', reason: 'results-differ', artifact: null })],
    ],
    [
      'main waits for alice, bob, cy and 1 more to answer the offer',
      [{ ...waiting, open: { ...open, eligible: 4, asked: ['alice', 'bob', 'cy', 'dan'] } }],
    ],
    ['main waits for 3 operators to answer the offer', [waiting]],
    ['nothing was published yet', []],
  ])('%s', (sentence, jobs) => {
    expect(says(...jobs)).toBe(sentence);
  });

  it('names the run that it is about, where one is the worst', () => {
    const branch = { ref: 'refs/tags/v1', submittedAt: 0, jobs: [job(), { ...failed, run: sha('f') }] };
    expect(headlineOf(branch)).toMatchObject({ state: 'failed', run: sha('f'), says: /^v1 failed/ });
    expect(headlineOf(undefined)).toEqual({ state: undefined, says: 'nothing was published yet' });
    expect(headlineOf({ ...branch, jobs: [job()] })).not.toHaveProperty('run');
  });
});

describe('branches', () => {
  const branch = (ref: string, submittedAt: number, ...jobs: RunSummary[]) => ({ ref, submittedAt, jobs });

  it('open with main, then master, then the newest branch, then what there is', () => {
    const of = (...refs: string[]) => defaultBranch(refs.map((ref, n) => branch(ref, n)))?.ref;
    expect(of('refs/heads/topic', 'refs/heads/main', 'refs/heads/master')).toBe('refs/heads/main');
    expect(of('refs/heads/master', 'refs/heads/topic')).toBe('refs/heads/master');
    expect(of('refs/heads/old', 'refs/heads/new', 'refs/tags/v1')).toBe('refs/heads/new');
    expect(of('refs/tags/v1', 'refs/tags/v2')).toBe('refs/tags/v2');
    expect(of()).toBeUndefined();
  });

  it('are in the order of what needs attention, of equals the newest first', () => {
    const disputed = job({ level: 'disputed', reason: 'results-differ' });
    const sorted = byAttention([
      branch('trusted', 9, job()),
      branch('none', 9),
      branch('waits', 8, job(), waiting),
      branch('failed of before', 1, failed),
      branch('failed', 2, failed),
      branch('looked at', 3, { ...disputed, acknowledged: true }),
      branch('alarm', 0, job(), { ...failed, alarming: true }),
    ]);
    expect(sorted.map(({ ref }) => ref)).toEqual([
      ...['alarm', 'looked at', 'failed', 'failed of before', 'waits', 'trusted', 'none'],
    ]);
  });
});

describe('the ladder of a run', () => {
  const of = (over: Partial<RunSummary>) =>
    ladderOf(job({ level: null, artifact: null, tally: undefined, ...over })).map(
      ({ place, says: text }) => `${place}: ${text}`,
    );
  const building = { state: 'building', open: { ...open, building: ['alice'] } };
  const awaiting = { state: 'agreed', level: 'agreed' as const, tally: { ended: 3, failed: 0, same: 3 } };
  const own = (more: object, state = 'agreed') =>
    of({ ...awaiting, state, open: { ...open, ...more } }).at(-1);
  const there = { trusted: 'free' as const, trustedConnected: true as const };

  it('says in the present tense what goes on, and moves with each result', () => {
    expect(of({ state: 'building', open })).toEqual([
      'now: waiting for 3 operators to answer the offer',
      'ahead: 2 of 3 operators have to build the same',
      'ahead: your own worker has to build the same, and signs',
    ]);
    expect(of(building)[0]).toBe('now: being built by 1 operator: alice');
    expect(of({ ...building, open: { ...building.open, sealed: 1 } }).slice(0, 2)).toEqual([
      'reached: built',
      'now: being built by 1 operator: alice; 1 of 3 result is in, sealed',
    ]);
    expect(of({ state: 'building', open: { ...open, sealed: 2 } })[1]).toBe(
      'now: 2 of 3 results are in, sealed; waiting for 3 operators to answer the offer',
    );
    expect(of({ state: 'done', level: 'trusted', tally: awaiting.tally })).toEqual([
      'reached: built',
      'reached: 3 of 3 operators built the same bytes',
      'reached: your own worker built the same and signed',
    ]);
    // Of an answer from an earlier build it built nothing.
    expect(of({ state: 'done', level: 'trusted', earlier: sha('e') }).at(-1)).toBe(
      'reached: your own worker checked its evidence and signed',
    );
    for (const state of ['cancelled', 'lost']) expect(of({ state })).toEqual([]);
  });

  it.each<[object, string]>([
    [there, 'waiting for your own worker'],
    [{ trusted: 'free' }, 'waiting for your own worker, which is not connected'],
    [
      { ...there, trustedPassed: 'paused by its operator' },
      'waiting for your own worker, which is paused by its operator',
    ],
    [{ ...there, trustedPassed: 'no room' }, 'waiting for your own worker, which declines: no room'],
    [{ ...there, trusted: 'building' }, 'your own worker builds it'],
    [{ ...there, trusted: 'delivered' }, 'your own worker has built it, and is about to sign'],
    [{ ...there, trusted: 'expired' }, 'your own worker did not build it'],
  ])('with %j says: %s', (more, text) => {
    expect(own(more)).toBe(`now: ${text}`);
  });

  it('says what else an agreed run waits for', () => {
    expect(own({}, 'cosigning')).toBe('now: your own worker checks the evidence before it signs');
    expect(of({ ...awaiting, awaits: ['lib'] }).at(-1)).toBe('now: waiting for lib to be trusted');
    const policy = { agree: 2, of: 3, cosign: false };
    expect(of({ ...awaiting, policy, state: 'witnessing' }).at(-1)).toBe(
      'now: waiting for witnesses of the log',
    );
    expect(of({ ...awaiting, state: 'done' }).at(-1)).toBe('now: no trusted worker signed it in time');
    expect(of({ ...awaiting, policy, state: 'done' }).at(-1)).toBe('now: nobody co-signs it');
  });
});
