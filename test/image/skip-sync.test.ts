import { execFileSync, spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { skipSyncPrefix } from '../../src/image/debian.ts';
import { scratch } from './support.ts';

/** The kernel refuses to sync a pipe or a device without a disk: who does not hear of it did not ask. */
const syncs = ['sync', '/dev/null'];

it('a command under the prefix skips sync, where it runs as root', async () => {
  if (process.getuid?.() !== 0) return expect(await skipSyncPrefix(await scratch())).toEqual([]);
  const [setpriv = '', ...words] = await skipSyncPrefix(await scratch());
  expect(setpriv).toBe('setpriv');
  expect(spawnSync('sync', syncs.slice(1)).status).toBe(1);
  expect(spawnSync(setpriv, [...words, ...syncs]).status).toBe(0);
  // And what it starts, in a shell as well as on its own.
  const below = spawnSync(setpriv, [...words, 'sh', '-c', 'sync /dev/null && sync -d /dev/null && sync']);
  expect(below.status, below.stderr.toString()).toBe(0);
  // All else is as it was.
  const whole = 'cp /bin/sh ./sh && cmp /bin/sh ./sh && mount -t tmpfs none . && echo well';
  const said = execFileSync(setpriv, [...words, 'unshare', '-m', 'sh', '-c', whole], {
    cwd: await scratch(),
  });
  expect(said.toString()).toBe('well\n');
});
