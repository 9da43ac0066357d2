import { constants, existsSync, rmSync } from 'node:fs';
import { copyFile, open, rm, stat, utimes } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { QuorateError } from '../protocol/base/errors.ts';
import { EndMark } from './end-mark.ts';
import { checked, cutShort, fsyncPath, type Journal, lastSeq, openJournal } from './index.ts';
import { walDamage } from './wal.ts';

/** Tries to copy a journal: its log begins anew after about a thousand pages, 4 MB, were written to it. */
const copiesMax = 100;
/** Longest pause between two tries, in milliseconds; its length is random, so that a try may begin right after the log did. */
const copyAgainMs = 50;

/** Header of a write-ahead log: its salts change when the log begins anew (SQLite, fileformat2.html, 4.1). */
const walHeaderBytes = 32;

/**
 * Copies a journal as it is at one moment, also while a process writes to it and holds the lock of the database: the files are copied. The
 * database first, then its log, which until it begins anew has every page that a checkpoint may have changed meanwhile; where it did begin
 * anew, both are copied again. Returns the number of events that must be in the copy. @throws JOURNAL_BUSY, errors of the system
 */
export async function copyJournal(file: string, to: string): Promise<number> {
  for (let n = 0; n < copiesMax; n++) {
    const { least } = new EndMark(file);
    const before = await walHeader(`${file}-wal`);
    await copyFile(file, to, constants.COPYFILE_FICLONE);
    const isStill = await copyLog(`${file}-wal`, `${to}-wal`);
    // Frames that are written while it is copied may be missing in the middle of the copy. Damage of a log that nobody writes to is found when the copy is opened.
    const isWhole = isStill || walDamage(`${to}-wal`) === undefined;
    // A watcher puts one event in the place of all others now and then.
    if (isWhole && before === (await walHeader(`${file}-wal`)))
      return Math.min(least, new EndMark(file).least);
    await sleep(copyAgainMs * Math.random());
  }
  throw new QuorateError('JOURNAL_BUSY', `so much is written to ${file} that it cannot be copied`, {
    hint: 'Try again when less is written, or stop the process meanwhile.',
  });
}

async function walHeader(file: string): Promise<string> {
  const handle = await open(file, 'r').catch(() => undefined);
  if (handle === undefined) return 'none';
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(walHeaderBytes), 0, walHeaderBytes, 0);
    return buffer.toString('hex', 0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** With the time of its last write, by which damage is judged. Returns whether nothing was written meanwhile. */
async function copyLog(file: string, to: string): Promise<boolean> {
  const before = await stat(file).catch(absent);
  if (before === undefined) {
    await rm(to, { force: true });
    return true;
  }
  const isCopied = await copyFile(file, to).then(() => true, absent);
  if (isCopied === undefined) return false;
  await utimes(to, before.atime, before.mtime);
  const after = await stat(file).catch(absent);
  return after?.mtimeMs === before.mtimeMs && after.size === before.size;
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

/** Opens a copy as the journal of whoever wrote it, whatever its rules. @throws JOURNAL_… */
export function openCopy<Event>(file: string): Journal<Event> {
  return openJournal<Event>(file, { name: machineOf(file), rules: Number.MAX_SAFE_INTEGER });
}

/**
 * Makes one file of a copy and its log, synced, and reads its events, of which there must be `least`. Returns how many there are. @throws
 * JOURNAL_…
 */
export function foldCopy(file: string, least: number): number {
  const journal = openCopy(file);
  let events = 0;
  try {
    for (const _ of journal.replay()) events++;
  } finally {
    journal.close();
  }
  checkCopyEnd(file, events, least);
  fsyncPath(file, 'r+');
  return events;
}

/** @throws JOURNAL_DAMAGED */
export function checkCopyEnd(file: string, events: number, least: number): void {
  if (events < least) throw cutShort(file, events, least);
}

/** Name of the machine that wrote a copy; empty where that cannot be read, which opening it explains. */
export function machineOf(file: string): string {
  let db: DatabaseSync | undefined;
  try {
    // Opened for reading it drops nothing of the log, which is judged when the journal is opened.
    db = new DatabaseSync(file, { readOnly: true });
    return String(db.prepare("SELECT value FROM about WHERE key = 'machine'").get()?.value ?? '');
  } catch {
    return '';
  } finally {
    db?.close();
    rmSync(`${file}-shm`, { force: true });
  }
}

/** Says of each event of a copy that is damaged or missing what is wrong with it, in order. @throws those of SQLite */
export function damagedEvents(file: string): string[] {
  const db = new DatabaseSync(file);
  try {
    const select = db.prepare('SELECT seq, at, event, rules, record, sum FROM events WHERE seq = ?');
    const found: string[] = [];
    for (let seq = 1; seq <= lastSeq(db); seq++) {
      try {
        checked(select.get(seq), seq, file);
      } catch (error) {
        found.push((error as Error).message);
      }
    }
    return found;
  } finally {
    db.close();
  }
}

/** Whether a process has a database open, as journals and indexes are: then it has a log beside it. It is not written to. */
export function isInUse(file: string): boolean {
  if (!existsSync(`${file}-wal`)) return false;
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { readOnly: true });
    db.prepare('SELECT count(*) FROM sqlite_master').get();
    return false;
  } catch (error) {
    return /locked|busy/i.test((error as Error).message);
  } finally {
    db?.close();
  }
}
