import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { isInUse } from '../journal/copy.ts';
import { QuorateError } from '../protocol/base/errors.ts';
import { isoTime } from '../protocol/base/time.ts';
import { copyFile } from './copy.ts';
import { databases, filesIn, type HomeRole, homes } from './homes.ts';
import { readManifest } from './manifest.ts';
import { makeFolder } from './new-folder.ts';

export type Restored = Awaited<ReturnType<typeof restoreBackup>>;

/**
 * Makes a home of the backup in a folder, as a whole or not at all. One that is there is renamed, if `aside` says so, and never changed.
 * @throws {QuorateError} `BACKUP_…`, `RESTORE_HOME_THERE`, `HOME_IN_USE`
 */
export async function restoreBackup(options: {
  role: HomeRole;
  from: string;
  home: string;
  aside: boolean;
  signal: AbortSignal;
}) {
  const { role, signal } = options;
  const [from, home] = [resolve(options.from), resolve(options.home)];
  const manifest = await readManifest(from, role);
  const isThere = await isTaken(home);
  if (isThere) await checkAside(home, options.aside);
  const aside = isThere ? await nameAside(home) : undefined;
  const keyPaths = homes[role].parts.filter(({ kind }) => kind === 'key').map(({ path }) => path);
  let kept: string[] = [];
  const fill = async (beside: string): Promise<void> => {
    for (const { path, ...written } of manifest.files) {
      const copying = copyFile(join(from, path), join(beside, path), signal);
      const { bytes, sha256 } = await copying.catch((error) => {
        throw error.code === 'ENOENT' ? damaged(from, path, 'is missing') : error;
      });
      if (bytes !== written.bytes || sha256 !== written.sha256)
        throw damaged(from, path, 'is not as it was written');
    }
    for (const path of manifest.keys ? [] : keyPaths)
      for (const key of await filesIn(home, path)) {
        await copyFile(join(home, key), join(beside, key), signal);
        kept = [...kept, key];
      }
  };
  const makeWay = async (): Promise<void> => {
    if (aside === undefined) return;
    await mkdir(dirname(aside), { mode: 0o700 });
    await rename(home, aside);
  };
  await makeFolder(home, fill, makeWay).catch(async (error) => {
    // Only its last step failed.
    if (aside !== undefined && !existsSync(home) && existsSync(aside)) {
      await rename(aside, home);
      await rmdir(dirname(aside));
    }
    throw error;
  });
  const missing = keyPaths.filter((path) => !path.includes('*') && !existsSync(join(home, path)));
  // `aside`: where the home that was there is now; `kept`: keys from there; `missing`: keys that this one may need and does not have.
  return { home, manifest, aside, kept, missing };
}

/** Whether there is more than an empty folder. */
async function isTaken(home: string): Promise<boolean> {
  const found = await stat(home).catch(() => undefined);
  return found !== undefined && (!found.isDirectory() || (await readdir(home)).length > 0);
}

/** @throws {QuorateError} `HOME_IN_USE`, `RESTORE_HOME_THERE` */
async function checkAside(home: string, aside: boolean): Promise<void> {
  for (const path of databases)
    for (const file of await filesIn(home, path))
      if (isInUse(join(home, file)))
        throw new QuorateError('HOME_IN_USE', `a process runs from ${home}: it has ${file} open`, {
          hint: 'Stop it first, and keep it stopped.',
        });
  if (aside) return;
  throw new QuorateError('RESTORE_HOME_THERE', `${home} is there already, and is not empty`, {
    hint: 'With --aside it gets another name and the backup takes its place; nothing is deleted.',
  });
}

/** In a folder of its own it keeps its name: in a repository that is a name which git ignores, and there are keys in it. */
async function nameAside(home: string): Promise<string> {
  const name = `${basename(home)}.before-${isoTime(Date.now()).slice(0, 19).replaceAll(':', '')}Z`;
  const there = new Set(await readdir(dirname(home)));
  for (let n = 1; ; n++) {
    const free = n === 1 ? name : `${name}-${n}`;
    if (!there.has(free)) return join(dirname(home), free, basename(home));
  }
}

const damaged = (from: string, path: string, says: string): QuorateError =>
  new QuorateError('BACKUP_DAMAGED', `${join(from, path)} ${says}`, {
    hint: 'Nothing was restored. Take an older backup; "check" says what is whole in this one.',
  });
