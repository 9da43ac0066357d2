import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { filesOf, player, processesOf } from './support/player.ts';
import { endAll } from './support/processes.ts';

afterAll(endAll);

it('an owner alone tries a project out, and stops it', async () => {
  const { dir, repo, home, up, ask, commit } = await player();
  expect(await ask('init')).toMatchObject({ code: 0 });
  const own = filesOf(join(repo, '.quorate'));
  const first = up();
  const { operators, trusted } = await first.event('ready');
  expect([operators, trusted]).toEqual([['local-1', 'local-2', 'local-3'], 'local-trusted']);
  const { source } = first.all('listening')[0] ?? {};
  // The job file is in no commit yet.
  await commit();
  const run = await ask('run');
  expect(run).toMatchObject({ code: 0, out: expect.stringContaining(`Reading ${source} at main`) });
  expect(run.out).toMatch(/by local-\d, local-\d, local-\d/);
  expect(existsSync(home)).toBe(false);
  // The line that fetch prints verifies offline.
  const [, artifact = ''] = /quorate fetch (bafy\w+)/.exec(run.out) ?? [];
  const fetched = await ask('fetch', artifact, '-o', 'out', '--bundle-out', 'proof.json');
  const [, line = ''] = /^ {2}quorate (verify .*)$/m.exec(fetched.out) ?? [];
  expect(await ask(...line.split(' '))).toMatchObject({ code: 0 });
  const second = up();
  expect((await second.end()).code).toBe(3);
  expect(second.lines.at(-1)).toMatchObject({
    error: { code: 'JOURNAL_IN_USE', message: expect.stringContaining(`as process ${first.pid}`) },
  });

  expect(await first.stop('SIGINT')).toEqual({ code: 0, signal: null });
  expect(await processesOf(dir)).toEqual([]);
  // The project is as it was: its root key has signed nothing.
  expect(filesOf(join(repo, '.quorate'))).toEqual(own);
});
