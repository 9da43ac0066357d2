import { describe, expect, it } from 'vitest';
import { capabilities } from '../../../simulations/paperwork.ts';
import type { Job } from '../../../src/protocol/documents/index.ts';
import type { Lending } from '../../../src/worker/machine/events.ts';
import { reasonToPass, SlowJobs } from '../../../src/worker/machine/fit.ts';
import {
  type Assignment,
  forgetAnswered,
  type KnownOffer,
  roundOf,
} from '../../../src/worker/machine/state.ts';
import { makeJob } from '../../support/documents.ts';

describe('a job fits', () => {
  const limits = { cpus: 1, memoryBytes: 2 ** 28, diskBytes: 2 ** 28, pids: 64, seconds: 60 };
  const needs = { arch: 'x86_64', image: 'host', ...limits } as const;
  const has = { ...capabilities, arch: 'x86_64', tiers: ['gvisor'] } as Lending['capabilities'];
  const twice = { cpus: 2, memoryBytes: 2 ** 29, diskBytes: 2 ** 29 };
  const lent: Lending = { capabilities: { ...has, ...twice }, jobsAtOnce: 2, pids: 128, seconds: 60 };
  const running = [makeJob({ limits })];
  const reason = (over: Partial<Lending> = {}, jobs: readonly Job[] = running) =>
    reasonToPass(needs, limits, { ...lent, ...over }, jobs);
  const less = (over: object) => ({ capabilities: { ...lent.capabilities, ...over } });

  it('where exactly what it needs is left beside another one', () => {
    expect(reason()).toBeUndefined();
    expect(reason({ pids: 64, ...less(limits) }, [])).toBeUndefined();
  });

  it.each<[string, Partial<Lending>, string | RegExp]>([
    ['processor', less({ cpus: 1 }), 'busy: not enough cpus free'],
    ['byte of memory', less({ memoryBytes: 2 ** 29 - 1 }), 'busy: not enough memory free'],
    ['byte on the disk', less({ diskBytes: 2 ** 29 - 1 }), 'busy: not enough disk free'],
    ['process', { pids: 127 }, 'busy: not enough processes free'],
    ['process in all', { pids: 63 }, 'the job wants 64 processes; this host lends 63'],
    ['second', { seconds: 59 }, 'the job may take 60 s; this host lends 59 s'],
    ['place', { jobsAtOnce: 1 }, 'busy with 1 job'],
    ['place at all', { closed: 'paused' }, 'paused'],
    ['tier of the host', less({ tiers: ['vm'] }), 'this worker runs nothing on its own system (vm)'],
  ])('and not where one %s more is needed', (_name, over, says) => {
    expect(reason(over)).toBe(says);
  });
});

describe('jobs that were too slow for a worker that emulates', () => {
  const repo = 'https://git.example/app.git';
  const lending = { capabilities: { tiers: ['vm-emulated'] }, jobsAtOnce: 1 } as unknown as Lending;
  const ended = (slow: SlowJobs, name: string, now: number, exp = 1_000) => {
    const job = makeJob({ name });
    const lease = { payload: { slot: 0, exp } };
    return (
      slow.dropped({ state: 'building', job, repo, lease } as unknown as Assignment, lending, now) !== ''
    );
  };
  const passes = (slow: SlowJobs, name: string, now: number) =>
    slow.reason({ request: { payload: { repo } }, job: { name } } as unknown as KnownOffer, now) !==
    undefined;
  const day = 24 * 3600_000;

  it('are those whose lease was over, or as good as over where clocks differ', () => {
    const slow = new SlowJobs();
    expect(ended(slow, 'early', 939_999)).toBe(false);
    expect(ended(slow, 'late', 940_000)).toBe(true);
    expect([passes(slow, 'early', 940_000), passes(slow, 'late', 940_000)]).toEqual([false, true]);
  });

  it('are left to others for a day, and not for longer where the clock was ahead', () => {
    const slow = new SlowJobs();
    ended(slow, 'app', 1_000_000);
    expect(passes(slow, 'app', 1_000_000)).toBe(true);
    expect(passes(slow, 'app', 999_999)).toBe(false);
    expect(passes(slow, 'app', 1_000_000 + day - 1)).toBe(true);
    expect(passes(slow, 'app', 1_000_000 + day)).toBe(false);
  });

  it('are remembered up to 1,000, the oldest forgotten first; one that is slow again is new', () => {
    const slow = new SlowJobs();
    for (let n = 0; n < 1_000; n++) ended(slow, `job-${n}`, 1_000_000);
    ended(slow, 'job-0', 1_000_000);
    expect([passes(slow, 'job-0', 1_000_000), passes(slow, 'job-1', 1_000_000)]).toEqual([true, true]);
    ended(slow, 'one-more', 1_000_000);
    expect(['job-0', 'job-1', 'job-2'].map((name) => passes(slow, name, 1_000_000))).toEqual([
      ...[true, false, true],
    ]);
  });
});

describe('offers that were answered', () => {
  const offers = (count: number, answered: readonly KnownOffer['state'][]) =>
    new Map(
      Array.from(
        { length: count },
        (_, n) => [`${n}`, { state: answered[n] ?? 'claimed' } as KnownOffer] as const,
      ),
    );
  const left = (known: Map<string, KnownOffer>) => {
    forgetAnswered(known);
    return [known.size, known.has('0'), known.has('1'), known.has('2')];
  };

  it('are forgotten where 2,000 are known, as many as make room for one', () => {
    expect(left(offers(1_999, ['passed']))).toEqual([1_999, true, true, true]);
    expect(left(offers(2_000, ['waiting', 'done', 'passed']))).toEqual([1_999, true, false, true]);
    expect(left(offers(2_001, ['passed', 'leased', 'done']))).toEqual([1_999, false, true, false]);
    // Others are kept, whatever their number.
    expect(left(offers(2_000, []))).toEqual([2_000, true, true, true]);
  });

  it('have a round only with a lease', () => expect(roundOf(undefined)).toBeUndefined());
});
