import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { jobFile } from './support/jobs.ts';
import { player, processesOf } from './support/player.ts';
import { endAll } from './support/processes.ts';

afterAll(endAll);

it('an owner who tried a project out goes on with the same homes, and one that is killed does not mislead', async () => {
  const { dir, repo, up, ask, commit } = await player();
  expect(await ask('init')).toMatchObject({ code: 0 });
  await commit();
  const first = up();
  await first.event('ready');
  const { source } = first.all('listening')[0] ?? {};
  const run = await ask('run');
  expect(run).toMatchObject({ code: 0, out: expect.stringContaining(`Reading ${source} at main`) });
  const [artifact = ''] =
    /bafybei\w+(?=\n)/.exec(run.out.slice(run.out.indexOf('trusted (verified) bafybei'))) ?? [];
  await first.stop('SIGINT');

  // One that lost its home and one more join, after those that know the log.
  await rm(join(repo, '.quorate', 'up', 'local-2'), { recursive: true });
  const again = up('--operators', '4');
  expect(await again.event('ready')).toMatchObject({ operators: { length: 4 } });
  expect(again.all('listening')).toMatchObject([{ source }]);
  const fetched = await ask('fetch', artifact, '-o', join(dir, 'out'));
  expect(fetched.code, fetched.err).toBe(0);
  expect(readFileSync(join(dir, 'out', 'bin', 'say'), 'utf8')).toContain('tried');
  await again.kill();
  await expect.poll(() => processesOf(dir), { timeout: 30_000 }).toEqual([]);
  // The file that a killed one left does not mislead.
  expect(await ask('run')).toMatchObject({ code: 3, err: expect.stringContaining('has not run yet') });
});

it('a followed run ends with its verdict after the controller came back at another address', async () => {
  const { start, up, ask, commit } = await player();
  await commit(jobFile({ run: ['cp say.sh "$OUT"'], agree: 4, of: 4 }));
  const all = up('--operators', '4');
  await all.event('ready');
  await all.stop('SIGINT');
  // An operator is missing until the last start.
  const before = up('--operators', '3');
  await before.event('ready');
  const following = start('run');
  await following.event('round');
  await before.stop('SIGINT');
  const again = up('--operators', '4');
  await again.event('ready');
  expect(await following.ended, following.report()).toMatchObject({ code: 0 });
  expect((await ask('jobs')).out).toContain('trusted');
});
