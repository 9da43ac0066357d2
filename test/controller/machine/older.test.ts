import { describe, expect, it } from 'vitest';
import { controllerLimits } from '../../../src/controller/machine/limits.ts';
import { ownVersion, type PeerVersion } from '../../../src/protocol/wire/peer-version.ts';
import { Bench, projectOf, timings } from './bench.ts';

const { reconnectMs } = controllerLimits;
const old: PeerVersion = { program: '0.9.0', reads: {} };
const current: PeerVersion = { program: '1.1.0', reads: { ...ownVersion('1.1.0').reads, job: 2 } };
/** A job of a version that `old` does not read. */
const newer = { job: { v: 2 as 1 } };

/** Members that are connected and have been for a while, by the version that they state. */
async function project(
  versions: Record<string, PeerVersion | null>,
  charter: Parameters<Bench['start']>[0] = {},
): Promise<Bench> {
  const bench = new Bench();
  await bench.start(charter);
  await bench.members('trusted', ...Object.keys(versions).filter((key) => key !== 'trusted'));
  bench.presentAs(current, 'trusted');
  for (const [key, version] of Object.entries(versions)) bench.presentAs(version, key);
  bench.drive(reconnectMs);
  return bench;
}
const reasonOf = (bench: Bench, run: string) => {
  const { phase } = bench.facts(run);
  return phase.kind === 'cancelled' ? phase.reason : phase.kind;
};
const passes = (bench: Bench) =>
  bench.all('progress').flatMap(({ progress }) => (progress.kind === 'passed' ? [progress] : []));

describe('a run that only older workers could take', () => {
  it('ends at once, and names them', async () => {
    const bench = await project({ ada: null, bob: null });
    const run = await bench.submit();
    expect(bench.now).toBeLessThan(bench.facts(run).submittedAt + 1);
    expect(reasonOf(bench, run)).toBe(
      'only older workers could take it, whose operators have to update Quorate: ada (states no version), bob (states no version)',
    );
    expect(bench.controller.state.offers.size).toBe(0);
  });

  it('is one that they can read none of', async () => {
    // This version knows no document of version 2: one that states nothing has it look at all.
    const bench = await project({ ada: old, bob: old, cy: null });
    expect(reasonOf(bench, await bench.submit(newer))).toContain('ada (0.9.0), bob (0.9.0), cy (states');
    expect(reasonOf(bench, await bench.submit({ name: 'plain' }))).toBe('building');
  });

  it('is also one that needs the trusted worker, which is older', async () => {
    const bench = await project({ ada: current, bob: current, trusted: null });
    expect(reasonOf(bench, await bench.submit())).toContain('trusted (states no version)');
    const without = { name: 'test', policy: { cosign: 'none' as const } };
    expect(reasonOf(bench, await bench.submit(without))).toBe('building');
  });

  it('names five of them', async () => {
    const names = Array.from({ length: 9 }, (_, n) => `op-${n}`);
    const bench = await project(Object.fromEntries(names.map((name) => [name, null])));
    const reason = reasonOf(bench, await bench.submit());
    expect(reason.match(/op-\d/g)).toHaveLength(5);
  });

  it('ends the same after a replay', async () => {
    const bench = await project({ ada: null });
    const run = await bench.submit();
    const before = reasonOf(bench, run);
    bench.replay();
    expect(reasonOf(bench, run)).toBe(before);
  });
});

describe('a run that somebody can take beside older workers', () => {
  it('goes on, and tells who passed and why', async () => {
    const bench = await project({ ada: null, bob: current });
    const run = await bench.submit();
    expect(reasonOf(bench, run)).toBe('building');
    expect(passes(bench)).toMatchObject([{ operator: 'ada', reason: 'worker-older' }]);
    // The window closes without them.
    expect(bench.lastReply(await bench.claim('bob')).kind).toBe('lease');
  });

  it('does not wait for one that comes back as an older one', async () => {
    const bench = await project({ ada: current });
    bench.send({ kind: 'absent', worker: bench.id('ada') });
    bench.presentAs(null, 'ada');
    expect(reasonOf(bench, await bench.submit())).toContain('ada (states no version)');
  });

  it('is told of one that connects later', async () => {
    const bench = await project({ ada: current });
    await bench.members('bob');
    await bench.submit();
    bench.presentAs(null, 'bob');
    expect(passes(bench)).toMatchObject([{ operator: 'bob', reason: 'worker-older' }]);
  });

  it('waits for workers that are connected again in a moment', async () => {
    const bench = await project({ ada: null, bob: current });
    bench.send({ kind: 'absent', worker: bench.id('bob') });
    const run = await bench.submit();
    bench.drive(reconnectMs - 1);
    expect(reasonOf(bench, run)).toBe('building');
    bench.presentAs(current, 'bob');
    bench.drive(reconnectMs);
    expect(reasonOf(bench, run)).toBe('building');
    bench.send({ kind: 'absent', worker: bench.id('bob') });
    bench.drive(reconnectMs);
    expect(reasonOf(bench, run)).toContain('ada (states no version)');
  });

  it('waits where the key of one that is there says that it is older: whoever stole it takes turns with its owner', async () => {
    const bench = await project({ ada: current });
    for (const key of ['ada', 'trusted']) {
      bench.presentAs(null, key);
      const run = await bench.submit({ name: `while the key of ${key} is used` });
      for (let turn = 0; turn < 2; turn++) {
        bench.drive(reconnectMs - 1);
        expect(reasonOf(bench, run)).toBe('building');
        bench.presentAs(current, key);
        bench.presentAs(null, key);
      }
      bench.drive(reconnectMs);
      expect(reasonOf(bench, run)).toContain(`${key} (states no version)`);
      bench.presentAs(current, key);
    }
  });

  it('waits for them after a start of the controller', async () => {
    const bench = await project({ ada: current, bob: null });
    const run = await bench.submit();
    await bench.restart();
    bench.presentAs(null, 'bob');
    bench.drive(reconnectMs - 1);
    expect(reasonOf(bench, run)).toBe('building');
    bench.drive(1);
    expect(reasonOf(bench, run)).toContain('bob (states no version)');
  });

  it('is not ended once somebody has begun', async () => {
    const bench = await project({ ada: null, bob: current });
    const run = await bench.submit();
    await bench.claim('bob');
    bench.send({ kind: 'absent', worker: bench.id('bob') });
    bench.drive(reconnectMs);
    expect(reasonOf(bench, run)).toBe('building');
    const workers = [{ worker: bench.id('ada'), operator: 'ada', version: null }];
    bench.send({ kind: 'outdated', run, workers });
    expect(reasonOf(bench, run)).toBe('building');
  });

  it('waits where nobody is there at all, as before', async () => {
    const bench = await projectOf();
    const run = await bench.submit();
    bench.drive(timings.windowMs + reconnectMs);
    expect(reasonOf(bench, run)).toBe('building');
  });
});

describe('a worker of an older version', () => {
  it('is forgotten with its connection, its key and its version', async () => {
    const bench = await project({ ada: null, bob: null, cy: null });
    const behind = () => [...bench.controller.state.presence.behind].map((id) => bench.nameOf(id));
    expect(behind()).toEqual(['ada', 'bob', 'cy']);
    bench.presentAs(current, 'ada');
    bench.send({ kind: 'absent', worker: bench.id('bob') });
    expect(behind()).toEqual(['cy']);
    await bench.revoke({ kind: 'operator', id: 'cy' });
    expect(behind()).toEqual([]);
  });

  it('of those that left no more is held than what may come back', async () => {
    const bench = await project({ ada: null, bob: null });
    for (const key of ['ada', 'bob']) {
      bench.send({ kind: 'absent', worker: bench.id(key) });
      bench.drive(reconnectMs + 1);
    }
    expect(bench.controller.state.presence.gone.size).toBe(1);
  });
});

describe('the least version of workers that a charter names', () => {
  const least = { more: { leastWorker: '1.1.0' } };
  /** Reads all documents. */
  const below = ownVersion('0.9.0');

  it('is that of workers that could take a run, which ends where there are only older ones', async () => {
    const bench = await project({ ada: below, bob: below }, least);
    expect(reasonOf(bench, await bench.submit())).toContain('ada (0.9.0), bob (0.9.0)');
    const mixed = await project({ ada: below, bob: current }, least);
    const run = await mixed.submit();
    expect(reasonOf(mixed, run)).toBe('building');
    expect(passes(mixed)).toMatchObject([{ operator: 'ada', reason: 'worker-older' }]);
    // The window closes without them.
    expect(mixed.lastReply(await mixed.claim('bob')).kind).toBe('lease');
  });

  it('is that of the trusted worker too', async () => {
    const bench = await project({ ada: current, bob: current, trusted: below }, least);
    expect(reasonOf(bench, await bench.submit())).toContain('trusted (0.9.0)');
  });

  it('counts from the charter on that names it, and no longer', async () => {
    const bench = await project({ ada: below });
    const run = await bench.submit();
    const behind = () => [...bench.controller.state.presence.behind].map((id) => bench.nameOf(id));
    expect(behind()).toEqual([]);
    bench.send({ kind: 'charter', charter: await bench.paper.charter({ epoch: 2, ...least }) });
    expect(behind()).toEqual(['ada']);
    expect(passes(bench)).toMatchObject([{ operator: 'ada', reason: 'worker-older' }]);
    expect(reasonOf(bench, run)).toContain('ada (0.9.0)');
    bench.send({ kind: 'charter', charter: await bench.paper.charter({ epoch: 3 }) });
    expect(behind()).toEqual([]);
    expect(reasonOf(bench, await bench.submit({ name: 'another' }))).toBe('building');
  });

  it('that is no version is none', async () => {
    for (const leastWorker of ['2', 'v2.0.0', '2.0.0-rc', 2, null, { at: '2.0.0' }]) {
      const bench = await project({ ada: below }, { more: { leastWorker } });
      expect(reasonOf(bench, await bench.submit())).toBe('building');
    }
  });
});
