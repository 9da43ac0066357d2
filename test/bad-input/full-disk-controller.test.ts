import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { program } from '../e2e/support/jobs.ts';
import { LocalCluster } from '../e2e/support/local-cluster.ts';
import { Proc } from '../e2e/support/processes.ts';
import { Person } from './support/person.ts';
import { enter, seenBy, withDisk } from './support/small-disk.ts';

let person: Person;

beforeAll(async () => {
  person = await Person.arrive();
});

it('a disk that fills up under a controller ends it with what to do; with room again it knows every job it accepted', async () => {
  const cluster = await LocalCluster.start();
  await cluster.control.stop();
  // The project as it is, on a disk of its own that outlives the controller, as long as its keeper lives.
  const repo = person.at('small-project');
  await mkdir(repo);
  const [, ...keeping] = [
    ...withDisk(repo, '4m'),
    'sh',
    '-c',
    'echo \'{"event":"ready"}\'; exec sleep infinity',
  ];
  const keeper = new Proc('keeper', 'unshare', keeping, { cwd: person.dir, env: person.env() });
  await keeper.event('ready');
  await cp(cluster.projectDir, seenBy(keeper, repo), { recursive: true });
  const inside = ['nsenter', `--target=${keeper.pid}`, ...enter];
  const start = async () => {
    const args = ['controller', '--listen', '/ip4/127.0.0.1/tcp/0', '--json'];
    const proc = person.start(args, { within: [...inside, `--wdns=${repo}`], cwd: person.dir });
    await proc.event('listening');
    return proc;
  };
  const place = { cwd: seenBy(keeper, repo) };

  const controller = await start();
  const url = await cluster.git.commit('kept', program('kept'));
  const run = cluster.start('quorate run', ['run', url], place);
  await run.event('round');
  const [{ run: id } = {}] = run.all('submitted');
  const ballast = seenBy(keeper, join(repo, 'ballast'));
  await writeFile(ballast, Buffer.alloc(8_000_000)).catch(() => {});

  // Enough events to fill what SQLite has in store; the last of them is answered with a code or not at all.
  for (let tries = 0; controller.alive && tries < 50; tries++) {
    const more = cluster.start('quorate run', ['run', url], place);
    // Without an answer it would look for the controller for half a minute.
    const answered = more.told('an answer', () => !more.alive || more.lines.length > 0);
    await Promise.race([answered, controller.ended]);
    await more.stop();
  }
  const ended = await controller.end();
  expect(ended.code, controller.report()).toBe(3);
  expect(controller.lines.at(-1)?.error).toMatchObject({
    code: 'JOURNAL_UNWRITABLE',
    message: expect.stringContaining(repo),
    hint: expect.stringContaining('Make room'),
  });
  // For half a minute it would wait for a controller that is back (test/node/patience.test.ts).
  await run.stop();

  await rm(ballast);
  const again = await start();
  const shown = await cluster.cli(['show', String(id)], place);
  expect(shown.code, shown.report).toBe(0);
  expect(shown.lines).toMatchObject([{ summary: { state: 'building' } }]);
  expect((await again.stop('SIGINT')).code).toBe(0);
  await keeper.stop();
});
