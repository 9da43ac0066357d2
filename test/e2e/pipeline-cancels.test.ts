import { beforeAll, describe, expect, it } from 'vitest';
import { processesWith, uniqueSleep } from '../sandbox/support.ts';
import { gate } from './support/gate.ts';
import { jobFile } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';
import { until } from './support/wait.ts';

const volunteers = ['ada', 'ben', 'cleo'];
let cluster: LocalCluster;

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers });
});

const limits = 'limits: {memory: 256MiB, disk: 64MiB, time: 2m}';

it('run --log says what builds write to programs too', async () => {
  const held = gate();
  const steps = ['printf "to\\033[2Jnight\\n"', held.step, 'echo morning; echo built > "$OUT/file"'];
  const url = await cluster.git.commit('slow', { 'quorate.yaml': jobFile({ run: steps }) });
  const run = await cluster.submit(url, '--log', '--until', 'agreed');
  const said = (name: string) =>
    run.all('output').some(({ operator, text }) => operator === name && String(text).includes('night'));
  await run.told('output of each build', () => volunteers.every(said));
  await held.reached(3);
  expect(run.all('delivered')).toEqual([]);
  await held.open();
  expect((await run.end()).code, run.report()).toBe(0);
});

describe('a cancelled run', () => {
  it('ends what rests on it too, and a whole pipeline at once', async () => {
    const marker = uniqueSleep();
    const job = (name: string, needs: string) =>
      `  ${name}: {run: ['sleep ${marker}'], needs: ${needs}, ${limits}}`;
    const jobs = ['jobs:', job('lib', '{}'), job('app', '{lib: agreed}'), job('other', '{}')].join('\n');
    const url = await cluster.git.commit('cancelled', { 'quorate.yaml': jobs });
    const published = async () => {
      const run = cluster.start('quorate run', ['run', url]);
      await run.events('submitted', 3);
      const runs = new Map(run.all('submitted').map(({ name, run }) => [name, String(run)]));
      return { run, id: (name: string) => runs.get(name) ?? '' };
    };
    const first = await published();
    const one = await cluster.cli(['cancel', first.id('lib'), '--reason', 'wrong']);
    expect([one.code, one.lines], one.report).toEqual([0, [{ cancelled: first.id('lib'), reason: 'wrong' }]]);
    const { lines } = await cluster.cli(['show', first.id('app')]);
    expect(lines[0]).toMatchObject({ summary: { state: 'cancelled' } });
    expect(lines[0]?.pipeline).toMatchObject([
      { name: 'lib', state: 'cancelled', cancelled: 'wrong' },
      { name: 'app', state: 'cancelled', cancelled: 'lib, which it needs, was cancelled' },
    ]);
    const unsaid = await cluster.cli(['cancel', first.id('other')]);
    expect(unsaid.lines, unsaid.report).toEqual([{ cancelled: first.id('other'), reason: 'by owner' }]);
    expect((await first.run.end()).code).toBe(1);

    const second = await published();
    const all = await cluster.cli(['cancel', second.id('app'), '--pipeline', '--reason', 'all of it']);
    expect(all.lines, all.report).toEqual(
      ['app', 'lib'].map((name) => ({ cancelled: second.id(name), reason: 'all of it' })),
    );
    const over = await cluster.cli(['cancel', second.id('lib'), '--pipeline', '--reason', 'again']);
    expect([over.code, over.error], over.report).toEqual([2, 'RUN_OVER']);
    await cluster.cli(['cancel', second.id('other'), '--reason', 'wrong']);
    expect((await second.run.end()).code).toBe(1);
    await until('the builds to stop', async () => (await processesWith(marker)).length === 0);
  });

  it('stays so when the controller starts again', async () => {
    await cluster.control.stop();
    await cluster.startController();
    const { lines } = await cluster.cli(['jobs']);
    expect(lines[0]).toEqual(expect.arrayContaining([expect.objectContaining({ state: 'cancelled' })]));
  });
});
