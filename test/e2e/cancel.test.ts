import { beforeAll, describe, expect, it } from 'vitest';
import { processesWith, uniqueSleep } from '../sandbox/support.ts';
import { quorateWords } from '../support/program.ts';
import { Cluster } from './support/cluster.ts';
import { jobFile } from './support/jobs.ts';
import { Proc } from './support/processes.ts';
import { until } from './support/wait.ts';

const volunteers = ['ada', 'ben', 'cleo'];
let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ volunteers });
}, 60_000);

/** A job of these steps. */
const repository = (name: string, ...run: string[]) =>
  cluster.git.commit(name, { 'quorate.yaml': jobFile({ run }) });

describe('run --log', () => {
  const slow = ['printf "to\\033[2Jnight\\n"', 'sleep 3; echo morning; echo built > "$OUT/file"'];

  it('prints what each build writes while it builds, between the lines of its progress', async () => {
    const url = await repository('slow', ...slow);
    const [node, ...program] = quorateWords;
    const args = [...program, '--home', cluster.home('owner'), 'run', url, '--log', '--until', 'agreed'];
    const run = new Proc('quorate run --log', node, args, {
      cwd: cluster.projectDir,
      env: cluster.env,
    });
    await until('a line of each build', () =>
      volunteers.every((name) => run.text.includes(`${name}│ to\\x1b[2Jnight\n`)),
    );
    expect(run.text).not.toContain('morning');
    expect(run.text).not.toContain('sealed');
    expect((await run.end(60_000)).code, run.report()).toBe(0);
    for (const name of volunteers) expect(run.text).toContain(`${name}│ morning\n`);
    expect(run.text).toContain('agreed bafy');
    expect(run.text).not.toContain(String.fromCharCode(27));
  });

  it('does the same for programs', async () => {
    const run = await cluster.submit(await repository('slow', ...slow), '--log', '--until', 'agreed');
    await run.event('delivered');
    const texts = run.all('output').map(({ operator, text }) => `${operator} ${text}`);
    for (const name of volunteers)
      expect(texts.some((text) => text.startsWith(name) && text.includes('night'))).toBe(true);
    expect((await run.end(60_000)).code, run.report()).toBe(0);
  });
});

describe('a run cancelled while three operators build', () => {
  it('ends without a verdict, stops the builds, and frees the machines for the next', async () => {
    const marker = uniqueSleep();
    const run = await cluster.submit(await repository('wrong', `sleep ${marker}`));
    await until('three builds', () => run.all('leased').length === 3);
    await until('the processes', async () => (await processesWith(marker)).length >= 3);

    const other = await cluster.cli(['cancel', run.run, '--reason', 'no'], { home: 'ada', cwd: cluster.dir });
    expect([other.code, other.error], other.report).toEqual([2, 'CANCEL_PUBLISHER_MISMATCH']);
    const done = await cluster.cli(['cancel', run.run.slice(0, 10), '--reason', 'wrong branch']);
    expect(done.code, done.report).toBe(0);
    expect(done.lines).toEqual([{ cancelled: run.run, reason: 'wrong branch' }]);

    expect((await run.end(10_000)).code, run.report()).toBe(1);
    expect(run.lines.at(-1)).toMatchObject({ event: 'cancelled', reason: 'wrong branch' });
    await until('the builds to stop', async () => (await processesWith(marker)).length === 0, 10_000);
    for (const name of volunteers)
      expect(JSON.stringify(cluster.worker(name).all('note'))).toContain('RUN_CANCELLED');
    expect(await cluster.show(run.run)).toMatchObject({ state: 'cancelled', level: null });

    const again = await cluster.cli(['cancel', run.run, '--reason', 'again']);
    expect([again.code, again.error], again.report).toEqual([2, 'RUN_OVER']);
    const unknown = await cluster.cli(['cancel', 'f'.repeat(64), '--reason', 'x']);
    expect([unknown.code, unknown.error], unknown.report).toEqual([2, 'JOB_UNKNOWN']);

    const next = await cluster.submit(await repository('right', 'echo b > "$OUT/b"'), '--until', 'agreed');
    expect((await next.end(30_000)).code, next.report()).toBe(0);
  });

  it('stays cancelled when the controller starts again', async () => {
    await cluster.control.kill();
    await cluster.startController();
    const { lines } = await cluster.cli(['jobs']);
    expect(lines[0]).toEqual(expect.arrayContaining([expect.objectContaining({ state: 'cancelled' })]));
  });
});
