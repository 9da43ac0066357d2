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

/** A job of these steps. */
const repository = (name: string, ...run: string[]) =>
  cluster.git.commit(name, { 'quorate.yaml': jobFile({ run }) });

describe('run --log', () => {
  const held = gate();
  const steps = ['printf "to\\033[2Jnight\\n"', held.step, 'echo morning; echo built > "$OUT/file"'];

  it('prints what each build writes while it builds, between the lines of its progress', async () => {
    const url = await repository('slow', ...steps);
    const run = cluster.start('quorate run --log', ['run', url, '--log', '--until', 'agreed'], {
      plain: true,
    });
    const line = (name: string) => `${name}│ to\\x1b[2Jnight\n`;
    await run.told('a line of each build', () => volunteers.every((name) => run.text.includes(line(name))));
    await held.reached(3);
    expect(run.text).not.toContain('morning');
    expect(run.text).not.toContain('sealed');
    await held.open();
    expect((await run.end()).code, run.report()).toBe(0);
    for (const name of volunteers) expect(run.text).toContain(`${name}│ morning\n`);
    expect(run.text).toContain('agreed bafy');
    expect(run.text).not.toContain(String.fromCharCode(27));
  });

  it('does the same for programs', async () => {
    const run = await cluster.submit(await repository('slow', ...steps), '--log', '--until', 'agreed');
    const said = (name: string) =>
      run.all('output').some(({ operator, text }) => operator === name && String(text).includes('night'));
    await run.told('output of each build', () => volunteers.every(said));
    await held.reached(3);
    expect(run.all('delivered')).toEqual([]);
    await held.open();
    expect((await run.end()).code, run.report()).toBe(0);
  });
});

describe('a run cancelled while three operators build', () => {
  it('ends without a verdict, stops the builds, and frees the machines for the next', async () => {
    const marker = uniqueSleep();
    const run = await cluster.submit(await repository('wrong', `sleep ${marker}`));
    await run.events('leased', 3);
    await until('the processes', async () => (await processesWith(marker)).length >= 3);

    const other = await cluster.cli(['cancel', run.run, '--reason', 'no'], { home: 'ada', cwd: cluster.dir });
    expect([other.code, other.error], other.report).toEqual([2, 'CANCEL_PUBLISHER_MISMATCH']);
    const done = await cluster.cli(['cancel', run.run.slice(0, 10), '--reason', 'wrong branch']);
    expect(done.code, done.report).toBe(0);
    expect(done.lines).toEqual([{ cancelled: run.run, reason: 'wrong branch' }]);

    expect((await run.end()).code, run.report()).toBe(1);
    expect(run.lines.at(-1)).toMatchObject({ event: 'cancelled', reason: 'wrong branch' });
    await until('the builds to stop', async () => (await processesWith(marker)).length === 0);
    for (const name of volunteers)
      await cluster
        .worker(name)
        .event('note', { where: (line) => JSON.stringify(line).includes('RUN_CANCELLED') });
    expect(await cluster.show(run.run)).toMatchObject({ state: 'cancelled', level: null });

    const again = await cluster.cli(['cancel', run.run, '--reason', 'again']);
    expect([again.code, again.error], again.report).toEqual([2, 'RUN_OVER']);
    const unknown = await cluster.cli(['cancel', 'f'.repeat(64), '--reason', 'x']);
    expect([unknown.code, unknown.error], unknown.report).toEqual([2, 'JOB_UNKNOWN']);

    const next = await cluster.submit(await repository('right', 'echo b > "$OUT/b"'), '--until', 'agreed');
    expect((await next.end()).code, next.report()).toBe(0);
  });

  it('ends what rests on it too, and a whole pipeline at once', async () => {
    const marker = uniqueSleep();
    const limits = 'limits: {memory: 256MiB, disk: 64MiB, time: 2m}';
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
    await cluster.cli(['cancel', first.id('other'), '--reason', 'wrong']);
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

  it('stays cancelled when the controller starts again', async () => {
    await cluster.control.stop();
    await cluster.startController();
    const { lines } = await cluster.cli(['jobs']);
    expect(lines[0]).toEqual(expect.arrayContaining([expect.objectContaining({ state: 'cancelled' })]));
  });
});
