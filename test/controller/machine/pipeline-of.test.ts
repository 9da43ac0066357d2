import { describe, expect, it } from 'vitest';
import { exited } from '../../../simulations/paperwork.ts';
import { pipelineOf as shownPipeline } from '../../../src/controller/machine/queries/summary.ts';
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
