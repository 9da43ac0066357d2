import { execFileSync } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { diskAbility } from '../../../sandbox/disk/ability.ts';
import { fileBytesFor, makeDiskFile } from '../../../sandbox/disk/file.ts';
import { MiB, tempFolder } from '../support.ts';

const nobody = { file: undefined, top: 0 };

async function place(): Promise<string> {
  const folder = await tempFolder();
  onTestFinished(() => folder.remove());
  return join(folder.path, 'job');
}

it('a disk is all allocated, and has room for what it was made for', async () => {
  const file = await makeDiskFile(await place(), fileBytesFor(64 * MiB), nobody);
  const { size, blocks } = await stat(file);
  expect(size).toBe(fileBytesFor(64 * MiB));
  expect(size).toBeLessThan(80 * MiB);
  expect(blocks * 512).toBeGreaterThanOrEqual(size);
  const says = execFileSync('/usr/sbin/dumpe2fs', ['-h', file], { encoding: 'utf8', stdio: 'pipe' });
  const field = (name: string) => Number(new RegExp(`^${name}: +(\\d+)`, 'm').exec(says)?.[1]);
  expect(field('Free blocks') * 4096).toBeGreaterThanOrEqual(64 * MiB);
  expect(field('Free inodes')).toBeGreaterThan(16_000);
  expect(says).not.toContain('has_journal');
});

it('a disk for which there is no room is refused, and nothing of it is there before', async () => {
  await expect(makeDiskFile(await place(), 2 ** 52, nobody)).rejects.toMatchObject({
    code: 'SANDBOX_DISK_FULL',
    message: expect.stringContaining('no room'),
  });
});

it('where it cannot be made, it is said what to do', async () => {
  const { path: folder, remove } = await tempFolder();
  onTestFinished(() => remove());
  const found = await diskAbility('drive', '/dev/shm', join(folder, 'job'));
  expect(found).toEqual({ ok: false, found: expect.stringMatching(/lies in memory itself.*--home/) });
  expect(await diskAbility('drive', folder, '/dev/null/job')).toEqual({
    ok: false,
    found: expect.stringContaining('builds write to memory only'),
  });
});
