import { describe, expect, it } from 'vitest';
import { exited, treeCid } from '../../../simulations/paperwork.ts';
import { started } from './bench.ts';

const built = exited(treeCid('a'));

describe('the history of a worker', () => {
  it('says of a build that it is sealed, then published, and survives a restart', async () => {
    const bench = await started();
    const { lease } = await bench.building();
    expect(bench.worker.history.list).toEqual([]);
    bench.built(lease, built);
    const [sealed] = bench.worker.history.list;
    expect(sealed).toMatchObject({ job: 'app', fate: 'sealed', code: null, outcome: built });
    expect(sealed).toMatchObject({ ref: 'refs/heads/main', finishedOn: '2026-01-01T00:00:10.000Z' });
    await bench.ack(lease);
    bench.send({ kind: 'revealed', lease: lease.id });
    bench.send({ kind: 'published', lease: lease.id });
    await bench.restart();
    expect(bench.worker.history.list).toMatchObject([{ job: 'app', fate: 'published' }]);
  });

  it('says why a result was not used, and of a lease that ended before there was one', async () => {
    const bench = await started();
    const { lease } = await bench.building('first');
    bench.built(lease, built);
    bench.send({ kind: 'released', lease: lease.id, code: 'RUN_CANCELLED', message: 'cancelled' });
    const second = await bench.building('second');
    bench.send({ kind: 'refused', lease: second.lease.id, code: 'LEASE_LOST', message: 'too late' });
    expect(bench.worker.history.list).toMatchObject([
      { job: 'second', fate: 'dropped', code: 'LEASE_LOST', outcome: null, startedOn: null },
      { job: 'first', fate: 'dropped', code: 'RUN_CANCELLED', outcome: built },
    ]);
  });

  it('has the build that was lost with the process', async () => {
    const bench = await started();
    await bench.building();
    await bench.restart();
    expect(bench.worker.history.list).toMatchObject([{ job: 'app', fate: 'lost', outcome: null }]);
  });

  it('forgets the oldest beyond its bound', async () => {
    const bench = await started();
    for (let n = 0; n <= 100; n++) {
      const { lease } = await bench.building(`job-${n}`);
      bench.send({ kind: 'refused', lease: lease.id, code: 'LEASE_LOST', message: '' });
    }
    const { list } = bench.worker.history;
    expect(list.length).toBe(100);
    expect([list[0]?.job, list.at(-1)?.job]).toEqual(['job-100', 'job-1']);
  });
});
