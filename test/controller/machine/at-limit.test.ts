import { describe, expect, it } from 'vitest';
import { summaryOf } from '../../../src/controller/machine/queries/summary.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import type { Lease, Outcome, Verified } from '../../../src/protocol/documents/index.ts';
import { type Bench, built, failed, leasedRound, projectOf, timings } from './bench.ts';

const outputs: Outcome = {
  kind: 'aborted',
  reason: 'outputs',
  detail: 'STORE_TOO_MANY_ENTRIES: 30000 files',
};
const late: Outcome = { kind: 'aborted', reason: 'time', detail: 'over 60 s' };
const files = { name: 'files', max: limits.outputFilesDefault };

const isDone = (bench: Bench, run: string) => bench.facts(run).phase.kind === 'done';
const limitOf = (bench: Bench, run: string) => summaryOf(bench.controller.state, bench.facts(run)).limit;
const atLimit = (limit: { name: string; max: number }, outcome: Outcome = outputs) => ({ limit, outcome });

async function report(
  bench: Bench,
  leases: Map<string, Verified<Lease>>,
  key: string,
  { limit, outcome }: { limit: { name: string; max: number }; outcome: Outcome } = atLimit(files),
) {
  await bench.deliver(key, leases.get(key), outcome, { limit });
}

/** As `leasedRound`, with the trusted worker's lease among the others. */
async function round(over: Parameters<typeof leasedRound>[0] = {}, ...more: string[]) {
  const { bench, run, leases, trusted } = await leasedRound(over, ...more);
  if (trusted !== undefined) leases.set('trusted', trusted);
  return { bench, run, leases };
}

describe('a build that is aborted at a limit', () => {
  it.each([
    ['trusted', 'ada'],
    ['ada', 'trusted'],
  ])('ends its run once %s and %s report it', async (...who) => {
    const { bench, run, leases } = await round();
    for (const key of who) {
      expect(isDone(bench, run)).toBe(false);
      await report(bench, leases, key);
    }
    expect(bench.result(run)).toMatchObject({ state: 'done', level: 'unfinished', ending: 'aborted' });
    expect(limitOf(bench, run)).toBe('its outputs are more than 2000 files (limits.files of the job)');
    expect(bench.progress(run, 'verdict')).toMatchObject([{ limit: limitOf(bench, run) }]);
    const over = bench.all('release').filter(({ code }) => code === 'RUN_OVER');
    expect(over.map(({ worker }) => bench.nameOf(worker)).sort()).toEqual(['bob', 'cy']);
    expect(bench.controller.state.offers.size).toBe(0);
    await bench.restart();
    expect(limitOf(bench, run)).toContain('2000 files');
    bench.store(run);
    expect(limitOf(bench, run)).toContain('2000 files');
  });

  it('waits for the trusted worker that builds, where operators came to it first', async () => {
    const { bench, run, leases } = await round();
    for (const key of ['ada', 'bob', 'cy']) await report(bench, leases, key);
    expect(bench.run(run).phase.kind).toBe('awaiting-trusted');
    await report(bench, leases, 'trusted');
    expect(bench.result(run)).toMatchObject({ state: 'done', ending: 'aborted' });
    expect(limitOf(bench, run)).toBeDefined();
  });

  it('goes on in another round where the trusted worker comes to no limit', async () => {
    const { bench, run, leases } = await round({}, 'dan', 'eve', 'fay');
    const named = [...leases.keys()].filter((key) => key !== 'trusted');
    for (const key of named) await report(bench, leases, key);
    await bench.deliver('trusted', leases.get('trusted'), built);
    expect(isDone(bench, run)).toBe(false);
  });

  it('does not wait for a trusted worker that lost its lease', async () => {
    const { bench, run, leases } = await round({ policy: { rounds: 1 } });
    for (const key of ['ada', 'bob', 'cy']) await report(bench, leases, key);
    await bench.deliver('trusted', leases.get('trusted'), late);
    expect(bench.result(run)).toMatchObject({ state: 'done', level: 'unfinished', ending: 'aborted' });
    expect(limitOf(bench, run)).toBeUndefined();
  });

  it.each([
    ['another number', { name: 'files', max: 1 }],
    ['another name', { name: 'hours', max: 2000 }],
    ['a name that each object has', { name: 'constructor', max: 2000 }],
  ])('is aborted at none where a worker reports %s', async (_, limit) => {
    const { bench, run, leases } = await round();
    for (const key of ['ada', 'trusted']) await report(bench, leases, key, atLimit(limit));
    expect(isDone(bench, run)).toBe(false);
    expect(bench.run(run).receipts.map(({ limit: known }) => known)).toEqual([undefined, undefined]);
  });

  it('is aborted at none where it ended by itself', async () => {
    const { bench, run, leases } = await round();
    await report(bench, leases, 'ada', atLimit(files, failed));
    expect(bench.run(run).receipts[0]?.limit).toBeUndefined();
  });

  it('ends no run where somebody has a result', async () => {
    const { bench, run, leases } = await round();
    await bench.deliver('bob', leases.get('bob'), built);
    for (const key of ['ada', 'trusted']) await report(bench, leases, key);
    expect(isDone(bench, run)).toBe(false);
    expect(limitOf(bench, run)).toBeUndefined();
  });

  it('ends no run where only the machines of operators set it', async () => {
    const { bench, run, leases } = await round();
    for (const key of ['ada', 'trusted']) await bench.deliver(key, leases.get(key), late);
    expect(isDone(bench, run)).toBe(false);
  });

  it('needs N operators where the limit depends on the machine', async () => {
    const { bench, run, leases } = await round();
    const seconds = bench.run(run).job.limits.seconds;
    const slow = atLimit({ name: 'seconds', max: seconds }, late);
    for (const key of ['trusted', 'ada']) await report(bench, leases, key, slow);
    expect(isDone(bench, run)).toBe(false);
    await report(bench, leases, 'bob', slow);
    expect(limitOf(bench, run)).toBe(`it takes more than ${seconds} s (limits.time of the job)`);
  });

  it('needs the same limit from each', async () => {
    const { bench, run, leases } = await round();
    const entries = atLimit({ name: 'treeEntries', max: limits.treeEntriesMax });
    await report(bench, leases, 'trusted', entries);
    await report(bench, leases, 'ada');
    expect(isDone(bench, run)).toBe(false);
    await report(bench, leases, 'bob', entries);
    expect(limitOf(bench, run)).toContain(`${limits.treeEntriesMax} files and folders`);
  });

  it('ends a run without a co-signature once M operators report it', async () => {
    const { bench, run, leases } = await round(
      { policy: { cosign: 'none', rounds: 2 } },
      'dan',
      'eve',
      'fay',
    );
    const keys = [...leases.keys()];
    for (const key of keys.slice(0, 2)) await report(bench, leases, key);
    expect(isDone(bench, run)).toBe(false);
    await report(bench, leases, keys[2] ?? '');
    expect(bench.facts(run).rounds).toHaveLength(1);
    expect(limitOf(bench, run)).toContain('2000 files');
  });

  it('counts no report of an operator that was revoked since', async () => {
    const { bench, run, leases } = await round();
    const since = bench.controller.state.log.size;
    await report(bench, leases, 'ada');
    await bench.revoke({ kind: 'operator', id: 'ada' }, { since });
    await report(bench, leases, 'trusted');
    expect(isDone(bench, run)).toBe(false);
  });

  it('is waited on no longer than the trusted worker has its lease', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const run = await bench.submit({ policy: { rounds: 1 } });
    const leases = await bench.lease('ada', 'bob', 'cy', 'trusted');
    for (const key of ['ada', 'bob', 'cy']) await report(bench, leases, key);
    expect(bench.run(run).phase.kind).toBe('awaiting-trusted');
    bench.drive(timings.leaseSilenceMs);
    expect(bench.result(run)).toMatchObject({ state: 'done', ending: 'aborted' });
  });
});
