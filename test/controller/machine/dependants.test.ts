import { describe, expect, it } from 'vitest';
import { exited, jobNamed, treeCid } from '../../../simulations/paperwork.ts';
import { type Bench, deliverAll, projectOf } from './bench.ts';

const { source } = jobNamed('project').job;

/** Chains of jobs that begin with the same one, each of which waits for the one before to be trusted. A bundle holds no longer ones than 14. */
async function chained(bench: Bench, length: number, each = 10): Promise<string[]> {
  const runs: string[] = [];
  for (let n = 0; n < length; n++) {
    const request = n % each === 1 ? runs[0] : runs.at(-1);
    const needs = request === undefined ? undefined : { lib: { request, level: 'trusted' as const } };
    runs.push(
      await bench.submit({ name: `link-${n}`, job: { source }, ...(needs !== undefined && { needs }) }),
    );
  }
  return runs;
}

/** How often an event looks up what a run needs: its work, without a clock. */
async function looks(bench: Bench, act: () => unknown): Promise<number> {
  let count = 0;
  for (const { request } of bench.controller.state.index.latest()) {
    const { needs } = request.payload;
    const get = () => {
      count++;
      return needs;
    };
    Object.defineProperty(request.payload, 'needs', { get });
  }
  await act();
  return count;
}

describe('a dependant of a run', () => {
  it('is found without a look at everything that is open', async () => {
    const bench = await projectOf();
    const [first = '', ...others] = await chained(bench, 200);
    const cancel = { kind: 'cancel', token: 'cancel', which: first, by: bench.id('publisher') } as const;
    const count = await looks(bench, () => bench.send({ ...cancel, reason: 'no' }));
    for (const run of others) expect(bench.facts(run).phase.kind).toBe('cancelled');
    expect(count / others.length).toBeLessThan(10);
  });

  it('is found without a look at everything that ever ended', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const runs = await chained(bench, 14, 14);
    for (const [n, run] of runs.entries()) {
      const artifact = exited(treeCid(`${n}`));
      const leases = await bench.lease('ada', 'bob', 'cy', 'trusted');
      await deliverAll(bench, leases, [artifact, artifact, artifact, artifact]);
      bench.pinned(run);
      bench.cosign(run);
      bench.store(run);
    }
    const id = bench.facts(runs[0] ?? '').jobId;
    const count = await looks(bench, () => bench.revoke({ kind: 'job', id }, { since: 0 }));
    for (const run of runs) expect(bench.facts(run).revoked).not.toBeNull();
    expect(count / runs.length).toBeLessThan(10);
  });
});
