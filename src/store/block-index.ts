import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { QuorateError } from '../protocol/base/errors.ts';
import { homeNewer } from '../protocol/base/newer.ts';
import { unopened } from './disk.ts';

export interface Place {
  pack: number;
  /** Offset of the bytes, which follow their CID. */
  at: number;
  size: number;
}

export interface Row extends Place {
  /** sha2-256 of the bytes. CIDs of both codecs with this digest are one block. */
  digest: Uint8Array;
  codec: number;
  /** Time of the last use, in milliseconds since the epoch. */
  used: number;
}

export interface AreaIndex {
  find(digest: Uint8Array): (Place & { used: number }) | undefined;
  add(row: Row): void;
  /** False when there is no such block. */
  touch(digest: Uint8Array, used: number): boolean;
  /** Removes a block's row unless the block has moved. */
  remove(digest: Uint8Array, place: Place): void;
  /** All rows, or those of one pack, in the order of their bytes. */
  rows(pack?: number): Row[];
  /** The end of the last block of each known pack: an offset in bytes. */
  packs(): Map<number, number>;
  setEnd(pack: number, end: number): void;
  /** Removes the rows of a pack, or of a pack from an offset on. */
  dropPack(pack: number, from?: number): void;
  commit(): void;
  close(): void;
}

/** Of the whole store, kept in the index. Grows also where another file of a store changes so that a version of before would not notice. */
const formatVersion = 1;
/** Longest time until a change is committed. A crash loses uncommitted rows; opening finds their blocks in the packs. */
const commitMs = 500;

/**
 * The index of the public area, in SQLite. It is derived from the packs and made again from them, so it is never synced. Changes are
 * gathered into transactions; `commit` ends one.
 */
export class BlockIndex implements AreaIndex {
  readonly #db: DatabaseSync;
  readonly #find: StatementSync;
  readonly #add: StatementSync;
  readonly #touch: StatementSync;
  readonly #remove: StatementSync;
  readonly #end: StatementSync;
  #timer: NodeJS.Timeout | undefined;
  /** Whether the process that had it open last was killed, or lost power. SQLite removes the log of a database that is closed. */
  readonly wasCut: boolean;

  constructor(file: string) {
    this.wasCut = existsSync(`${file}-wal`);
    this.#db = openDatabase(file);
    this.#find = this.#db.prepare('SELECT pack, at, size, used FROM blocks WHERE digest = ?');
    this.#add = this.#db.prepare(
      'INSERT OR REPLACE INTO blocks (digest, codec, pack, at, size, used) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#touch = this.#db.prepare('UPDATE blocks SET used = ? WHERE digest = ?');
    this.#remove = this.#db.prepare('DELETE FROM blocks WHERE digest = ? AND pack = ? AND at = ?');
    this.#end = this.#db.prepare('INSERT OR REPLACE INTO packs (id, end) VALUES (?, ?)');
  }

  find(digest: Uint8Array): (Place & { used: number }) | undefined {
    return this.#find.get(digest) as unknown as (Place & { used: number }) | undefined;
  }

  add(row: Row): void {
    this.#begin();
    this.#add.run(row.digest, row.codec, row.pack, row.at, row.size, row.used);
  }

  touch(digest: Uint8Array, used: number): boolean {
    this.#begin();
    return this.#touch.run(used, digest).changes !== 0;
  }

  remove(digest: Uint8Array, { pack, at }: Place): void {
    this.#begin();
    this.#remove.run(digest, pack, at);
  }

  /** Removes one block unless it was used at `usedBefore` or later; check and removal are atomic. */
  removeUnused(digest: Uint8Array, usedBefore: number): boolean {
    this.#begin();
    return (
      this.#db.prepare('DELETE FROM blocks WHERE digest = ? AND used < ?').run(digest, usedBefore).changes !==
      0
    );
  }

  rows(pack?: number): Row[] {
    const where = pack === undefined ? '' : 'WHERE pack = ?';
    const select = this.#db.prepare(
      `SELECT digest, codec, pack, at, size, used FROM blocks ${where} ORDER BY pack, at`,
    );
    return (pack === undefined ? select.all() : select.all(pack)) as unknown as Row[];
  }

  /** Digests and sizes of up to `max` blocks after a digest, in digest order, that were last used before a time. */
  unused(usedBefore: number, after: Uint8Array, max: number): { digest: Uint8Array; size: number }[] {
    return this.#db
      .prepare('SELECT digest, size FROM blocks WHERE digest > ? AND used < ? ORDER BY digest LIMIT ?')
      .all(after, usedBefore, max) as unknown as { digest: Uint8Array; size: number }[];
  }

  /** Bytes of the indexed blocks of each pack, empty packs left out. */
  liveBytes(): Map<number, number> {
    const rows = this.#db.prepare('SELECT pack, SUM(size) AS live FROM blocks GROUP BY pack').all();
    return new Map(rows.map(({ pack, live }) => [Number(pack), Number(live)]));
  }

  packs(): Map<number, number> {
    return new Map(
      this.#db
        .prepare('SELECT id, end FROM packs')
        .all()
        .map(({ id, end }) => [Number(id), Number(end)]),
    );
  }

  setEnd(pack: number, end: number): void {
    this.#begin();
    this.#end.run(pack, end);
  }

  /** Adds the rows of a pack that was moved here from another area; blocks that are here already keep their place. */
  adopt(rows: readonly Row[], pack: number, end: number, used: number): void {
    this.setEnd(pack, end);
    const insert = this.#db.prepare(
      'INSERT INTO blocks (digest, codec, pack, at, size, used) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO UPDATE SET used = excluded.used',
    );
    for (const { digest, codec, at, size } of rows) insert.run(digest, codec, pack, at, size, used);
  }

  dropPack(pack: number, from = 0): void {
    this.#begin();
    this.#db.prepare('DELETE FROM blocks WHERE pack = ? AND at + size > ?').run(pack, from);
    if (from === 0) this.#db.prepare('DELETE FROM packs WHERE id = ?').run(pack);
    else this.#end.run(pack, from);
  }

  /** Removes the rows of blocks that lie behind the end of their pack: they were committed before their bytes were written. */
  dropUnwritten(): void {
    this.#begin();
    // Of a framed block, which has no offset, the file is smaller than the block.
    this.#db.exec(
      'DELETE FROM blocks WHERE at >= 0 AND at + size > IFNULL((SELECT end FROM packs WHERE id = pack), 0)',
    );
  }

  commit(): void {
    clearTimeout(this.#timer);
    if (this.#db.isTransaction) this.#db.exec('COMMIT');
  }

  close(): void {
    this.commit();
    this.#db.close();
  }

  /** Commits after `commitMs`. A failure (disk full) is reported by the next `commit`. */
  #commitLater(): void {
    try {
      this.commit();
    } catch {
      this.#timer = setTimeout(() => this.#commitLater(), commitMs).unref();
    }
  }

  #begin(): void {
    if (this.#db.isTransaction) return;
    this.#db.exec('BEGIN');
    this.#timer = setTimeout(() => this.#commitLater(), commitMs).unref();
  }
}

function openDatabase(file: string): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    db = new DatabaseSync(file);
    // Locks the file for this process until it closes or dies.
    db.exec(
      'PRAGMA locking_mode = EXCLUSIVE; PRAGMA busy_timeout = 200; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;',
    );
    const version = Number(db.prepare('PRAGMA user_version').get()?.user_version);
    if (version > formatVersion)
      throw homeNewer(file, `the store is of format ${version}, and this version reads ${formatVersion}`);
    // A page that is damaged would be met at some later read. About 1 s for each 100 MB of index.
    const says = String(db.prepare('PRAGMA quick_check(1)').get()?.quick_check);
    if (says !== 'ok') throw new IndexDamaged(says);
    db.exec(`BEGIN IMMEDIATE;
      CREATE TABLE IF NOT EXISTS blocks (digest BLOB PRIMARY KEY, codec INTEGER NOT NULL, pack INTEGER NOT NULL,
        at INTEGER NOT NULL, size INTEGER NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS packs (id INTEGER PRIMARY KEY, end INTEGER NOT NULL);
      PRAGMA user_version = ${formatVersion};
      COMMIT;`);
    return db;
  } catch (cause) {
    db?.close();
    if (cause instanceof QuorateError || cause instanceof IndexDamaged) throw cause;
    const message = (cause as Error).message;
    if (/locked|busy/i.test(message)) {
      throw new QuorateError('STORE_IN_USE', `${file} is in use by another process`, {
        cause,
        hint: 'Stop the other one, or use another folder.',
      });
    }
    if (/not a database|malformed/i.test(message)) throw new IndexDamaged(message, { cause });
    throw unopened(cause, file);
  }
}

/** The index file is damaged: remove it and rebuild it from the packs. */
export class IndexDamaged extends Error {}
