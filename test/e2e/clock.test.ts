import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { LocalCluster } from './support/local-cluster.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

it('one start under a clock that is two days ahead stops the project until its owner has looked, and no longer', async () => {
  const cluster = await LocalCluster.start({ volunteers: ['ada'] });
  await cluster.control.stop();
  await cluster.worker('ada').stop();

  const args = ['controller', '--listen', `/ip4/127.0.0.1/tcp/${cluster.port}`];
  const real = Date.now;
  const wrong = vi.spyOn(Date, 'now').mockImplementation(() => real() + 2 * 24 * 3600_000);
  // Its worker is down: a start that asks it would begin nothing, and write no event.
  const ahead = cluster.start('controller', [...args, '--alone']);
  await ahead.event('listening');
  await ahead.stop();
  wrong.mockRestore();

  const refused = await cluster.answer(cluster.start('controller', args));
  expect([refused.code, refused.error], refused.report).toEqual([3, 'CLOCK_BEHIND']);
  expect(refused.lines.at(-1)).toMatchObject({
    error: { hint: expect.stringMatching(/set-ntp true.*--accept-clock/) },
  });

  cluster.controller = cluster.start('controller', [...args, '--accept-clock', '--alone']);
  await cluster.controller.event('listening');
  await cluster.volunteer('bob');
  await cluster.control.stop();
  // The journal is right again: nothing has to be said any more.
  await cluster.startController();
  await (await cluster.join('ada')).event('connected');
  await cluster.volunteer('cyd');
});

it('a clock that is set ahead between the enrolment and the first event of a worker dates no event', async () => {
  const cluster = await LocalCluster.start();
  const ticket = await cluster.ticket('ada');
  const membership = join(cluster.home('ada'), 'projects', `${cluster.project}.json`);
  const real = Date.now;
  const wrong = vi
    .spyOn(Date, 'now')
    .mockImplementation(() => real() + (existsSync(membership) ? 3600_000 : 0));
  await (await cluster.join('ada', ticket, ['--memory', '1GiB'])).stop();
  wrong.mockRestore();
  await (await cluster.join('ada')).event('connected');
});
