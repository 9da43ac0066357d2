import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { copyJournal, foldCopy } from '../journal/copy.ts';
import { codeOf, QuorateError } from '../protocol/base/errors.ts';
import { type Copied, copyFile } from './copy.ts';
import { filesIn, type HomeKind, type HomeRole, homes, isHome, noHomeHint, othersIn } from './homes.ts';
import { writeManifest } from './manifest.ts';
import { makeFolder } from './new-folder.ts';

export interface BackupOptions {
  role: HomeRole;
  /** The home, whose process may be running. */
  home: string;
  to: string;
  keys: boolean;
  artifacts: boolean;
  version: string;
  signal: AbortSignal;
}

/** Copies a home, as of one moment of its journal, into a new folder. @throws {QuorateError} `BACKUP_…`, `JOURNAL_…` */
export async function makeBackup(options: BackupOptions) {
  const { role, home, version, keys, artifacts } = options;
  const kind = homes[role];
  const to = resolve(options.to);
  if (!(await isHome(home, kind)))
    throw new QuorateError('BACKUP_FOLDER_REFUSED', `${home} is not the home of "quorate ${role}"`, {
      hint: noHomeHint(role),
    });
  await checkTarget(to, home);
  return makeFolder(to, async (beside) => {
    const { copied, events } = await copyParts(kind, beside, options);
    const files = [...copied].map(([path, { bytes, sha256 }]) => ({ path, bytes, sha256 }));
    await writeManifest(beside, { role, version, made: Date.now(), keys, artifacts, files });
    const there = await keysIn(home, kind);
    return {
      folder: to,
      files: files.length,
      bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
      /** Of its journals. */
      events,
      /** Keys that were copied; those of the home that were not. */
      keys: there.filter((key) => copied.has(key)),
      keysLeft: there.filter((key) => !copied.has(key)),
      /** At the top of the home, and no part of a backup. */
      others: await othersIn(home, kind),
    };
  });
}

async function keysIn(home: string, { parts }: HomeKind): Promise<string[]> {
  const found = parts.filter(({ kind }) => kind === 'key').map(({ path }) => filesIn(home, path));
  return (await Promise.all(found)).flat();
}

/** @throws {QuorateError} `BACKUP_FOLDER_REFUSED` */
async function checkTarget(to: string, home: string): Promise<void> {
  if (existsSync(to) && (!(await stat(to)).isDirectory() || (await readdir(to)).length > 0))
    throw new QuorateError('BACKUP_FOLDER_REFUSED', `${to} is there already, and is not an empty folder`, {
      hint: 'Name a new folder: a backup replaces none.',
    });
  let parent = to;
  while (!existsSync(parent)) parent = dirname(parent);
  const inside = `${await realpath(parent)}${sep}`;
  if (inside.startsWith(`${await realpath(home)}${sep}`))
    throw new QuorateError('BACKUP_FOLDER_REFUSED', `${to} lies in the home that is copied, ${home}`, {
      hint: 'Name a folder elsewhere, best on another disk: it is for the day on which this one is lost.',
    });
}

async function copyParts(
  { parts }: HomeKind,
  to: string,
  { home, keys, artifacts, signal }: BackupOptions,
): Promise<{ copied: Map<string, Copied>; events: number }> {
  const copied = new Map<string, Copied>();
  let events = 0;
  for (const { path, kind } of parts) {
    if ((kind === 'key' && !keys) || (kind === 'bytes' && !artifacts)) continue;
    if (kind === 'journal')
      for (const file of await filesIn(home, path)) {
        const sum = await copyOneJournal(join(home, file), join(to, file), signal);
        copied.set(file, sum);
        events += sum.events;
      }
    else await copyFiles(path, { home, to, copied, signal });
  }
  return { copied, events };
}

/** All of its events are read: half a journal is no backup. */
async function copyOneJournal(
  from: string,
  to: string,
  signal: AbortSignal,
): Promise<Copied & { events: number }> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  const least = await copyJournal(from, to);
  try {
    await chmod(to, 0o600);
    const events = foldCopy(to, least);
    return { ...(await copyFile(to, undefined, signal)), events };
  } catch (error) {
    if (!codeOf(error).startsWith('JOURNAL_')) throw error;
    throw new QuorateError('JOURNAL_DAMAGED', (error as Error).message.replaceAll(to, from), {
      hint: 'Nothing was copied. "check" says what is whole; go on from an older backup.',
      cause: error,
    });
  }
}

/** Copies the files of a path but for those that go meanwhile. Packs that have grown are copied again: a sweep moves blocks into others first. */
async function copyFiles(
  path: string,
  {
    home,
    to,
    copied,
    signal,
  }: { home: string; to: string; copied: Map<string, Copied>; signal: AbortSignal },
): Promise<void> {
  let isWhole: boolean;
  do {
    isWhole = true;
    for (const file of await filesIn(home, path)) {
      const before = copied.get(file);
      if (before !== undefined && before.bytes === (await sizeOf(join(home, file)))) continue;
      try {
        copied.set(file, await copyFile(join(home, file), join(to, file), signal));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        isWhole = !path.endsWith('.car');
      }
    }
  } while (!isWhole);
}

const sizeOf = (file: string): Promise<number> =>
  stat(file).then(
    ({ size }) => size,
    () => -1,
  );
