import { randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, sep } from 'node:path';
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { hasCode, QuorateError, UnknownKind } from '../protocol/base/errors.ts';
import { homeNewer, newerEvent } from '../protocol/base/newer.ts';
import { EndMark, markOf } from './end-mark.ts';
import { walDamage } from './wal.ts';

export type { JournalErrorCode } from './error-codes.ts';

/**
 * A list of the events a state machine was given, with their times (ms since the epoch), in SQLite. An appended event survives the end of the
 * process; after `sync` a power failure too. One process at a time; another gets `JOURNAL_IN_USE`.
 */
export interface Journal<Event> {
  /** Name of its owner, as it was when the journal was made. */
  readonly name: string;
  /** Its file, for messages. */
  readonly place: string;
  /** `record`: what came of the event, where it left something that lasts. One transaction: whole or not at all. */
  append(event: Event, at: number, record?: string): void;
  /** The same of several, in one transaction: all or none. */
  appendAll(entries: readonly { event: Event; at: number; record?: string | undefined }[]): void;
  /** Puts one event in the place of all that there are, whose state it holds. On disk when it returns. */
  replaceAll(event: Event, at: number): void;
  /** Returns once all appended events are on disk. */
  sync(): void;
  /** Every event, in the order they were appended. @throws JOURNAL_DAMAGED at one that is not as it was written, or is missing */
  replay(): IterableIterator<{ event: Event; at: number; rules: number; record: string | undefined }>;
  close(): void;
}

/** Grows with every change of the tables. */
const formatVersion = 3;
/** Without `sum`; it is brought to the present format when it is opened. */
const formatWithoutSums = 2;

/** The owner of a journal, and the rules by which its events are judged. */
export interface JournalMachine {
  /** The state machine and its key. */
  name: string;
  /** The same with the keys that it had before. */
  formerly?: readonly string[];
  /** Version of its rules and of the shape of its events, kept with each event; a journal of later rules is refused. */
  rules: number;
}

/** Opens or creates a journal. @throws JOURNAL_UNWRITABLE, JOURNAL_IN_USE, HOME_NEWER, JOURNAL_OLDER, JOURNAL_MACHINE_MISMATCH, JOURNAL_DAMAGED */
export function openJournal<Event>(file: string, machine: JournalMachine): Journal<Event> {
  const db = openDatabase(file);
  try {
    return journalIn<Event>(db, file, machine);
  } catch (error) {
    db.close();
    throw explained(error, file);
  }
}

function journalIn<Event>(db: DatabaseSync, file: string, machine: JournalMachine): Journal<Event> {
  const name = prepare(db, file, machine);
  const insert = db.prepare(
    'INSERT INTO events (seq, at, event, rules, record, sum) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const select = db.prepare('SELECT seq, at, event, rules, record, sum FROM events ORDER BY seq');
  // Commits go to the write-ahead log, which stays the same file as long as the database is open (SQLite, wal.html).
  const wal = openSync(`${file}-wal`, 'r');
  // Both files may be new: what is synced later must be found after a power failure.
  fsyncPath(dirname(file));
  const written = (write: () => void): void => {
    try {
      write();
    } catch (cause) {
      throw new QuorateError('JOURNAL_UNWRITABLE', `cannot write to ${file}: ${(cause as Error).message}`, {
        cause,
        hint: 'Make room on the disk or mend its permissions, then start again: nothing acknowledged is lost.',
      });
    }
  };
  let last = lastSeq(db);
  const mark = new EndMark(file);
  const append = (event: Event, at: number, record: string | null = null) => {
    const text = JSON.stringify(event);
    const seq = last + 1;
    insert.run(seq, at, text, machine.rules, record, sumOf(seq, at, text, machine.rules, record));
    last = seq;
  };
  const sync = () => {
    fdatasyncSync(wal);
    mark.set(last);
  };
  /** In one transaction. */
  const whole = (write: () => void): void => {
    const before = last;
    db.exec('BEGIN IMMEDIATE');
    try {
      write();
      db.exec('COMMIT');
    } catch (error) {
      last = before;
      if (db.isTransaction) db.exec('ROLLBACK');
      throw error;
    }
  };
  return {
    name,
    place: file,
    append: (event, at, record) => written(() => append(event, at, record)),
    appendAll: (entries) =>
      written(() => {
        const all = () => {
          for (const { event, at, record } of entries) append(event, at, record);
        };
        if (entries.length > 1) whole(all);
        else all();
      }),
    replaceAll: (event, at) =>
      written(() => {
        mark.remove();
        fsyncPath(dirname(file));
        whole(() => {
          db.exec("DELETE FROM events; DELETE FROM sqlite_sequence WHERE name = 'events'");
          last = 0;
          append(event, at);
        });
        sync();
      }),
    sync: () => written(sync),
    *replay() {
      const rows = select.iterate();
      const end = last;
      for (let seq = 1; ; seq++) {
        let row: ReturnType<typeof rows.next>;
        try {
          row = rows.next();
        } catch (cause) {
          throw explained(cause, file);
        }
        if (row.done === true && seq > end) return;
        yield checked<Event>(row.done === true ? undefined : row.value, seq, file);
      }
    },
    close() {
      db.close();
      closeSync(wal);
      // Its log is in the database now.
      mark.remove();
    },
  };
}

/** Gives `take` each event, in order, with the rules that it was taken under. @throws JOURNAL_DAMAGED, HOME_NEWER when `take` throws `UnknownKind`, coded errors of `take` */
export function replayEach<Event>(
  { place, replay }: Pick<Journal<Event>, 'place' | 'replay'>,
  take: (event: Event, at: number, rules: number) => void,
): void {
  let n = 0;
  for (const { event, at, rules } of replay()) {
    n++;
    try {
      take(event, at, rules);
    } catch (cause) {
      if (cause instanceof QuorateError) throw cause;
      if (cause instanceof UnknownKind) throw newerEvent(place, n, event, cause);
      const says = `event ${n} of ${place} cannot be read`;
      throw new QuorateError('JOURNAL_DAMAGED', says, { hint: restore, cause });
    }
  }
}

export function fsyncPath(path: string, flags = 'r'): void {
  const opened = openSync(path, flags);
  fsyncSync(opened);
  closeSync(opened);
}

/** Says at once whether another process has it; one that is not there yet is nobody's. @throws JOURNAL_IN_USE, JOURNAL_UNWRITABLE */
export function checkJournalFree(file: string): void {
  if (existsSync(file)) openDatabase(file).close();
}

const restore = 'Put it back from a copy: nothing is guessed from half a journal.';

function openDatabase(file: string): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    checkNotEmptied(file);
    const damage = walDamage(`${file}-wal`);
    if (damage !== undefined)
      throw new QuorateError('JOURNAL_DAMAGED', `${file}-wal: ${damage}`, { hint: restore });
    checkEnd(file);
    // SQLite removes a log that is left of another one.
    if (!existsSync(file) && !existsSync(`${file}-wal`)) create(file);
    db = new DatabaseSync(file);
    // Locks the file for this process until it closes or dies; SQLite then answers SQLITE_BUSY to the next.
    db.exec(
      'PRAGMA locking_mode = EXCLUSIVE; PRAGMA busy_timeout = 200; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;',
    );
    db.exec('BEGIN IMMEDIATE; COMMIT;');
    return db;
  } catch (cause) {
    db?.close();
    throw explained(cause, file);
  }
}

/** Under another name first: whatever ends this, a database that is there has bytes. */
function create(file: string): void {
  const beside = `${file}.${randomUUID()}.new`;
  try {
    const db = new DatabaseSync(beside);
    try {
      db.exec('PRAGMA journal_mode = WAL');
    } finally {
      db.close();
    }
    linkSync(beside, file);
  } catch (error) {
    // Another process was faster.
    if (!hasCode(error, 'EEXIST')) throw error;
  } finally {
    for (const end of ['', '-wal', '-shm', '-journal']) rmSync(beside + end, { force: true });
  }
}

/** SQLite takes a file without a byte for a new database, and removes its log. */
function checkNotEmptied(file: string): void {
  if (statSync(file, { throwIfNoEntry: false })?.size === 0)
    throw new QuorateError('JOURNAL_DAMAGED', `${file} is empty`, { hint: restore });
}

/** Reads the number of the last event as SQLite would take it, and drops nothing of the write-ahead log. */
function checkEnd(file: string): void {
  const least = existsSync(file) ? new EndMark(file).least : 0;
  if (least === 0) return;
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    const last = lastSeq(db);
    if (last >= least) return;
    const hint = `${restore} Without one remove ${markOf(file)}: then it goes on after event ${last}.`;
    throw cutShort(file, last, least, hint);
  } finally {
    db.close();
  }
}

export const cutShort = (file: string, last: number, least: number, hint = restore): QuorateError =>
  new QuorateError(
    'JOURNAL_DAMAGED',
    `${file} ends after event ${last}, and event ${least} was on disk: its write-ahead log was damaged or cut`,
    { hint },
  );

/**
 * SQLITE_IOERR_READ, _SHORT_READ, _DATA and _CORRUPTFS. Other codes of a "disk I/O error" are of locks and writes: that journal is whole.
 */
const readErrors: ReadonlySet<number> = new Set([266, 522, 8202, 8458]);

/** An error of SQLite as one of ours. */
function explained(cause: unknown, file: string): QuorateError {
  if (cause instanceof QuorateError) return cause;
  const message = (cause as Error).message;
  if (/locked|busy/i.test(message)) {
    const second = basename(file).startsWith('worker-')
      ? ' A second worker on this machine needs a folder of its own (--home <folder>).'
      : file.split(sep).includes('hooks')
        ? ' A second hook needs a name (--name <name>).'
        : '';
    return new QuorateError('JOURNAL_IN_USE', `${file} is in use by another process`, {
      cause,
      hint: `Quorate runs there already: go on with that one, or stop it first.${second}`,
    });
  }
  const isDamaged =
    readErrors.has(Number((cause as { errcode?: unknown }).errcode)) ||
    /not a database|malformed|no such (table|column)|has no column/i.test(message);
  if (isDamaged) {
    const says = `${file} is not a whole journal: ${message}`;
    return new QuorateError('JOURNAL_DAMAGED', says, { hint: restore, cause });
  }
  const hint =
    existsSync(file) && statSync(file).isDirectory()
      ? 'A folder lies in its place: move it away, and put the file back from a copy.'
      : 'The folder must exist and be writable by you.';
  return new QuorateError('JOURNAL_UNWRITABLE', `cannot open ${file}: ${message}`, { cause, hint });
}

/** CRC-32 over one row: number, time, event, rules, record. It finds what a disk changed; whoever may write the file can write another. */
const sumOf = (...row: SQLOutputValue[]): number => crc32(JSON.stringify(row));

/** The row, which must be the one of that number as it was written. @throws JOURNAL_DAMAGED */
export function checked<Event>(row: Record<string, SQLOutputValue> | undefined, seq: number, file: string) {
  const damaged = (says: string): never => {
    throw new QuorateError('JOURNAL_DAMAGED', `event ${seq} of ${file} ${says}`, { hint: restore });
  };
  if (row === undefined || row.seq !== seq) return damaged('is missing');
  const { at, event, rules, record, sum } = row;
  const kind = /"kind":"([a-z-]{1,40})"/.exec(String(event))?.[1] ?? 'of a kind that cannot be read';
  if (sum !== sumOf(seq, at ?? null, event ?? null, rules ?? null, record ?? null))
    return damaged(`(${kind}) is not as it was written: its checksum is another`);
  return {
    event: JSON.parse(String(event)) as Event,
    at: Number(at),
    rules: Number(rules),
    record: record === null ? undefined : String(record),
  };
}

/** The number of the last event that was written, whether or not its row is there. */
export function lastSeq(db: DatabaseSync): number {
  return Number(db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'events'").get()?.seq ?? 0);
}

/** Returns whose the journal is. */
function prepare(db: DatabaseSync, file: string, { name, formerly = [], rules }: JournalMachine): string {
  // The one table that every format has.
  db.exec('CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;');
  const read = db.prepare('SELECT value FROM about WHERE key = ?');
  const version = read.get('version')?.value;
  if (version === undefined) {
    db.exec(
      'CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, event TEXT NOT NULL, rules INTEGER NOT NULL, record TEXT, sum INTEGER) STRICT;',
    );
    // Both or neither: a crash in between would leave a journal of nobody.
    const write = db.prepare("INSERT INTO about (key, value) VALUES ('version', ?), ('machine', ?)");
    write.run(String(formatVersion), name);
    return name;
  }
  const reads = `reads ${formatWithoutSums} and ${formatVersion}`;
  if (Number(version) < formatWithoutSums)
    throw new QuorateError('JOURNAL_OLDER', `${file} is of format ${version}; this quorate ${reads}`, {
      hint: 'Go on with the version that wrote it, or begin anew with a folder of its own.',
    });
  if (Number(version) > formatVersion)
    throw homeNewer(file, `it is of format ${version}, and this version ${reads}`);
  const [newest] = db.prepare('SELECT rules FROM events ORDER BY seq DESC LIMIT 1').all();
  if (Number(newest?.rules ?? 0) > rules)
    throw homeNewer(file, `its last event is of rules ${newest?.rules}, and this version has rules ${rules}`);
  const owner = String(read.get('machine')?.value);
  if (owner !== name && !formerly.includes(owner))
    throw new QuorateError('JOURNAL_MACHINE_MISMATCH', `${file} is the journal of ${owner}, not of ${name}`, {
      hint: 'Put the key it belongs to back, or use a folder of its own: --home.',
    });
  if (Number(version) === formatWithoutSums) addSums(db);
  return owner;
}

/** Brings a journal of `formatWithoutSums` to the present format: its events count as they are read now. */
function addSums(db: DatabaseSync): void {
  db.function('row_sum', { deterministic: true, varargs: true }, sumOf);
  db.exec(`
    BEGIN IMMEDIATE;
    ALTER TABLE events ADD COLUMN sum INTEGER;
    UPDATE events SET sum = row_sum(seq, at, event, rules, record);
    UPDATE about SET value = '${formatVersion}' WHERE key = 'version';
    COMMIT;
  `);
}
