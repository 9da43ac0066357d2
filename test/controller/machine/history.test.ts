import { describe, expect, it } from 'vitest';
import type { ControllerEvent } from '../../../src/controller/machine/events.ts';
import { Controller } from '../../../src/controller/machine/machine.ts';
import { findRun, provingRun, summaries } from '../../../src/controller/machine/queries/summary.ts';
import { RunIndex } from '../../../src/controller/machine/run-index.ts';
import type { ControllerState, Run } from '../../../src/controller/machine/state.ts';
import { LostBundles } from '../../../src/controller/sessions/lost-bundles.ts';
import { artifactOf } from '../../../src/protocol/documents/index.ts';
import type { JournalRow } from '../../../src/protocol/sessions/loop.ts';
import { History } from '../../support/history.ts';
import { deliverAll, leasedRound } from './bench.ts';

/** The least that `act` took, in ms, over enough calls to be above the steps of the clock: what else runs here does not count. */
function cost(act: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let n = 0; n < 15; n++) {
    const began = performance.now();
    for (let i = 0; i < 20; i++) act();
    least = Math.min(least, performance.now() - began);
  }
  return least;
}

describe('a controller with many runs behind it', () => {
  it('looks at one run to find what proves an artifact that a thousand runs made', () => {
    const index = new RunIndex<Run>();
    let looked = 0;
    const verdict = { level: 'trusted', outcome: { kind: 'exit', code: 0, artifact: 'made' } };
    for (let n = 0; n < 1000; n++) {
      const run = {
        id: `run${n}`,
        jobId: 'job',
        job: { name: 'app', outputs: ['.'] },
        history: [],
        revoked: null,
        request: { payload: { ref: 'main' } },
        publisher: { payload: { operator: 'ann' } },
        get phase() {
          looked++;
          return { kind: 'done', published: { verdict } };
        },
      } as unknown as Run;
      index.submitted(run);
      index.decided(run, 'made');
      index.decided(run, 'made');
    }
    looked = 0;
    expect(provingRun({ index } as ControllerState, 'made')?.id).toBe('run999');
    expect(looked).toBeLessThan(5);
    expect(index.withArtifact('made')).toHaveLength(1000);
  });

  it('costs the same after 400 jobs as after 40', { timeout: 300_000 }, async () => {
    const history = new History();
    await history.start();
    const { machine, times } = history;
    const measure = async () => {
      times.clear();
      await history.run(20);
      const run = [...machine.state.finished.values()].at(3);
      if (run?.phase.kind !== 'done') throw new Error('assertion failed: it is done');
      const { outcome } = run.phase.published.verdict;
      const artifact = (outcome === null ? null : artifactOf(outcome)) ?? '';
      return {
        receipt: history.median('receipt'),
        submit: history.median('submit'),
        nextDeadline: cost(() => machine.nextDeadline()),
        tick: cost(() => machine.handle({ kind: 'tick' }, history.now)),
        absent: cost(() => machine.handle({ kind: 'absent', worker: 'nobody' }, history.now)),
        show: cost(() => findRun(machine.state, run.id.slice(0, 20))),
        list: cost(() => summaries(machine.state, 20)),
        proves: cost(() => provingRun(machine.state, artifact)),
      };
    };
    await history.run(20);
    const few = await measure();
    await history.run(340);
    const many = await measure();
    for (const [what, before] of Object.entries(few)) {
      const after = many[what as keyof typeof many];
      // A scan costs ten times as much.
      expect(after / before, `${what}: ${before.toFixed(3)} ms, then ${after.toFixed(3)} ms`).toBeLessThan(4);
    }
  });

  it('holds the documents of one job at a time at a start without 150 bundles', async () => {
    const rows: JournalRow<ControllerEvent>[] = [];
    const history = new History((event, at, record) =>
      rows.push({ event, at, record, rules: Controller.rules }),
    );
    await history.start();
    await history.run(150);
    const { machine } = new History();
    const spool = new Map<string, number>();
    const journal = { appendAll() {}, sync() {}, replay: () => rows };
    const lost = new LostBundles(journal, machine, new Set(), {
      write: (name, { length }) => spool.set(name, length) === spool,
      read: async () => undefined,
      end() {},
    });
    let most = 0;
    for (const { event, at } of lost.replay()) {
      machine.handle(event, at);
      most = Math.max(most, machine.state.runs.size);
    }
    expect(most).toBe(1);
    expect([spool.size, lost.runs.length, machine.state.finished.size]).toEqual([150, 150, 150]);
  });

  it('publishes at a start only what may not be stored yet', async () => {
    const { bench, run, leases, trusted } = await leasedRound();
    await deliverAll(bench, leases, []);
    bench.pinned(run);
    const verdicts = (effects: { kind: string }[]) => effects.filter(({ kind }) => kind === 'verdict').length;
    expect(verdicts(await bench.restart())).toBe(1);
    bench.resume('trusted', trusted ?? expect.fail('a lease'));
    await bench.deliver('trusted', trusted);
    bench.cosign(run);
    const first = bench.run(run);
    if (first.phase.kind !== 'done') throw new Error('assertion failed: it is done');
    // The bundle of the verdict before is not that of the last one.
    bench.send({ kind: 'stored', run, verdict: 'an earlier one' });
    expect(bench.durability).toBe('none');
    expect(verdicts(await bench.restart())).toBe(1);
    bench.send({ kind: 'stored', run, verdict: first.phase.published.verdict.id });
    expect(bench.durability).toBe('lazy');
    expect(verdicts(await bench.restart())).toBe(0);
  });
});
