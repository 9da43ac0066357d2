import { describe, expect, it } from 'vitest';
import { exited } from '../../../simulations/paperwork.ts';
import { pipelineOf as shownPipeline, summaryOf } from '../../../src/controller/machine/queries/summary.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { withLimits } from '../../support/with-limits.ts';
import { A, type Bench } from './bench.ts';
import { agree, nobody, pipelineOf, publish, trust } from './pipelines.ts';

const shown = (bench: Bench, run: string) =>
  shownPipeline(bench.controller.state, bench.facts(run)).map(({ name, state, level }) => [
    name,
    state,
    level,
  ]);

describe('the pipeline of a run', () => {
  it('is what it rests on, what rests on it, and what these are connected with, as submitted', async () => {
    const bench = await pipelineOf();
    const lib = await publish(bench, 'lib');
    const test = await publish(bench, 'test', { needs: { lib: [lib] }, policy: nobody });
    await publish(bench, 'alone');
    const app = await publish(bench, 'app', { needs: { lib: [lib, 'trusted'] } });
    await agree(bench, lib, exited(A));
    for (const run of [lib, test, app])
      expect(shown(bench, run)).toEqual([
        ['lib', 'agreed', 'agreed'],
        ['test', 'building', null],
        ['app', 'waiting', null],
      ]);
    const [, , last] = shownPipeline(bench.controller.state, bench.facts(app));
    expect(last?.needs).toEqual([{ name: 'lib', run: lib, level: 'trusted' }]);
  });

  it('has so many jobs at most, those of its push included', async () => {
    const bench = await pipelineOf();
    const runs: string[] = [];
    for (const name of ['a', 'b', 'c']) runs.push(await publish(bench, name));
    const withPush = () =>
      shownPipeline(bench.controller.state, bench.facts(runs[2] ?? ''), { withPush: true }).map(
        ({ name }) => name,
      );
    expect(withPush()).toEqual(['a', 'b', 'c']);
    withLimits(limits, { pipelineJobsMax: 2 });
    expect(withPush()).toEqual(['a', 'c']);
  });

  it('is looked through for the job with which it fell as far as it may be long', async () => {
    const bench = await pipelineOf();
    const names = ['a', 'b', 'c', 'd'];
    const runs: string[] = [];
    for (const [n, name] of names.entries())
      runs.push(
        await publish(bench, name, n === 0 ? {} : { needs: { [names[n - 1] ?? '']: [runs[n - 1] ?? ''] } }),
      );
    const [a = '', b = '', , d = ''] = runs;
    bench.send({ kind: 'cancel', token: 'c', which: a, by: bench.id('publisher'), reason: 'no' });
    const fellWith = () => summaryOf(bench.controller.state, bench.facts(d)).fellWith?.run;
    expect(fellWith()).toBe(a);
    withLimits(limits, { pipelineJobsMax: 2 });
    expect(fellWith()).toBe(b);
  });

  it('names runs that are over and out of memory, and why one was cancelled', async () => {
    const bench = await pipelineOf();
    const lib = await publish(bench, 'lib');
    await agree(bench, lib, exited(A));
    await trust(bench, lib, exited(A));
    const app = await publish(bench, 'app', { needs: { lib: [lib] } });
    const by = bench.id('publisher');
    bench.send({ kind: 'cancel', token: bench.token('cancel'), which: app, by, reason: 'wrong branch' });
    expect(shownPipeline(bench.controller.state, bench.facts(lib))).toMatchObject([
      { name: 'lib', state: 'done', level: 'trusted' },
      { name: 'app', state: 'cancelled', level: null, cancelled: 'wrong branch' },
    ]);
  });
});
