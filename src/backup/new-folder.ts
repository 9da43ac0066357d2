import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { messageOf, QuorateError } from '../protocol/base/errors.ts';
import { syncFolder } from '../store/disk.ts';

/**
 * Makes a folder of mode 0700 that is there as a whole or not at all: `fill` writes into another one beside it, which is renamed. In the
 * place of the folder there is nothing, or an empty one, after `makeWay`. @throws {QuorateError} `BACKUP_UNWRITABLE`
 */
export async function makeFolder<T>(
  dir: string,
  fill: (beside: string) => Promise<T>,
  makeWay?: () => Promise<void>,
): Promise<T> {
  const beside = `${dir}.unfinished`;
  let isOurs = false;
  try {
    await mkdir(dirname(dir), { recursive: true });
    await mkdir(beside, { mode: 0o700 });
    isOurs = true;
    // It may lie in a repository, and hold keys: where this is interrupted, no commit takes it in.
    await writeFile(join(beside, '.gitignore'), '*\n');
    const result = await fill(beside);
    await rm(join(beside, '.gitignore'));
    await syncAll(beside);
    await makeWay?.();
    await rename(beside, dir);
    await syncFolder(dirname(dir));
    return result;
  } catch (cause) {
    if (isOurs) await rm(beside, { recursive: true, force: true }).catch(() => {});
    if (cause instanceof QuorateError || (cause as Error).name === 'AbortError') throw cause;
    throw new QuorateError('BACKUP_UNWRITABLE', `cannot make ${dir}: ${messageOf(cause)}`, {
      hint: hintOf((cause as NodeJS.ErrnoException).code, beside, existsSync(beside)),
      cause,
    });
  }
}

function hintOf(code: string | undefined, beside: string, isThere: boolean): string {
  if (isThere) return `Another command makes it at this moment, or was killed: then remove ${beside}.`;
  if (code === 'EBUSY' || code === 'EXDEV') return 'A file system is mounted there: name a folder below it.';
  return 'Nothing is left of it. Name a folder that you may write to, on a disk with room.';
}

/** The files in it are synced already. */
async function syncAll(dir: string): Promise<void> {
  for (const entry of await readdir(dir, { withFileTypes: true }))
    if (entry.isDirectory()) await syncAll(join(dir, entry.name));
  await syncFolder(dir);
}
