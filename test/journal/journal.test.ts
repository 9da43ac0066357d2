import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { EndMark } from '../../src/journal/end-mark.ts';
import { openJournal, replayEach } from '../../src/journal/index.ts';
import { walDamage } from '../../src/journal/wal.ts';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import { inSmallFiles } from '../support/small-files.ts';

interface Event {
  n: number;
  text?: string;
}

async function file(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-journal-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return join(dir, 'deep', 'journal.db');
}

function open(path: string, name = 'a machine', rules = 1) {
  const journal = openJournal<Event>(path, { name, rules });
  onTestFinished(() => {
    try {
      journal.close();
    } catch {
      // Closed by the test.
    }
  });
  return journal;
}

function codeOf(act: () => unknown): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code;
  }
}

const holder = join(import.meta.dirname, 'holder.ts');

/** A process that opens the journal and appends as fast as it can, telling each event once `append` has returned. */
function hold(path: string): { child: ReturnType<typeof spawn>; told: () => number; ready: Promise<void> } {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', holder, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let told = 0;
  let text = '';
  const ready = new Promise<void>((resolve) => {
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      told = Number(lines.at(-1) ?? told);
      if (told >= 50) resolve();
    });
  });
  return { child, told: () => told, ready };
}

describe('a journal', () => {
  it('gives back what was written, in order and with its time, also after it was closed', async () => {
    const path = await file();
    const first = open(path);
    for (let n = 0; n < 100; n++) first.append({ n, text: 'ünï\u0000' }, 1000 - n);
    const expected = Array.from({ length: 100 }, (_, n) => ({
      event: { n, text: 'ünï\u0000' },
      at: 1000 - n,
      rules: 1,
      record: undefined,
    }));
    expect([...first.replay()]).toEqual(expected);
    first.close();
    expect([...open(path).replay()]).toEqual(expected);
  });

  it('holds every event whose append had returned when its process was killed', async () => {
    const path = await file();
    const { child, told, ready } = hold(path);
    await ready;
    child.kill('SIGKILL');
    await once(child, 'close');
    const events = [...open(path).replay()].map(({ event }) => event.n);
    expect(events.length).toBeGreaterThanOrEqual(told());
    expect(events).toEqual(events.map((_, index) => index + 1));
  });

  it('is on disk before append returns: a copy of the files taken then has it', async () => {
    const path = await file();
    const journal = open(path);
    journal.append({ n: 7 }, 1);
    const copy = join(path, '..', 'copy.db');
    for (const end of ['', '-wal']) {
      if (existsSync(path + end)) await writeFile(copy + end, await readFile(path + end));
    }
    const db = new DatabaseSync(copy);
    onTestFinished(() => db.close());
    expect(db.prepare('SELECT event FROM events').all()).toEqual([{ event: '{"n":7}' }]);
    expect(journal).toBeDefined();
  });

  it('is held by one process at a time, and free once that has died', async () => {
    const path = await file();
    const { child, ready } = hold(path);
    await ready;
    expect(codeOf(() => open(path))).toBe('JOURNAL_IN_USE');
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(codeOf(() => open(path))).toBeUndefined();
  });

  it.each([
    ['controller.db', /stop it first\.$/],
    ['worker-12D3.db', /--home <folder>\)\.$/],
    [join('hooks', 'p', 'trusted', 'journal.db'), /--name <name>\)\.$/],
  ])('is not opened twice in one process either: %s', async (name, hint) => {
    const path = join(dirname(await file()), name);
    mkdirSync(dirname(path), { recursive: true });
    open(path).append({ n: 1 }, 1);
    expect(() => open(path)).toThrow(
      expect.objectContaining({ code: 'JOURNAL_IN_USE', hint: expect.stringMatching(hint) }),
    );
  });

  it('of another machine is refused', async () => {
    const path = await file();
    open(path, 'controller A').close();
    expect(codeOf(() => open(path, 'controller B'))).toBe('JOURNAL_MACHINE_MISMATCH');
    // The refusal leaves it usable.
    expect(codeOf(() => open(path, 'controller A'))).toBeUndefined();
  });

  it('of a newer quorate is refused, and not touched', async () => {
    const path = await file();
    open(path).close();
    const db = new DatabaseSync(path);
    db.exec("UPDATE about SET value = '999' WHERE key = 'version'");
    db.close();
    const before = await readFile(path);
    expect(codeOf(() => open(path))).toBe('HOME_NEWER');
    expect((await readFile(path)).equals(before)).toBe(true);
  });

  it.each([
    ['of an older format', "UPDATE about SET value = '1' WHERE key = 'version'", 'JOURNAL_OLDER'],
    ['of later rules', 'UPDATE events SET rules = 2', 'HOME_NEWER'],
  ])('%s is refused, and not touched', async (_, sql, code) => {
    const path = await file();
    const journal = open(path);
    journal.append({ n: 1 }, 1);
    journal.close();
    const db = new DatabaseSync(path);
    db.exec(sql);
    db.close();
    const before = await readFile(path);
    expect(codeOf(() => open(path))).toBe(code);
    expect((await readFile(path)).equals(before)).toBe(true);
  });

  it('keeps what came of each event beside it', async () => {
    const path = await file();
    const journal = open(path);
    journal.append({ n: 1 }, 1, 'a leaf');
    journal.append({ n: 2 }, 2);
    journal.close();
    expect([...open(path, 'a machine', 2).replay()]).toEqual([
      { event: { n: 1 }, at: 1, rules: 1, record: 'a leaf' },
      { event: { n: 2 }, at: 2, rules: 1, record: undefined },
    ]);
  });

  it('takes several events whole or not at all', async () => {
    const path = await file();
    const journal = open(path);
    const cannotBeWritten: Event = { n: 3 };
    Object.defineProperty(cannotBeWritten, 'toJSON', {
      value: () => {
        throw new Error('no text');
      },
    });
    const at = 1;
    journal.appendAll([]);
    journal.appendAll([
      { event: { n: 1 }, at, record: 'a leaf' },
      { event: { n: 2 }, at },
    ]);
    const failing = [
      { event: { n: 2.5 }, at },
      { event: cannotBeWritten, at },
    ];
    expect(codeOf(() => journal.appendAll(failing))).toBe('JOURNAL_UNWRITABLE');
    // Appends after the failed batch do not belong to it.
    journal.appendAll([{ event: { n: 4 }, at }]);
    journal.close();
    const rows = [...open(path).replay()].map(({ event, record }) => [event.n, record]);
    expect(rows).toEqual([
      [1, 'a leaf'],
      [2, undefined],
      [4, undefined],
    ]);
  });

  it('that is no database is refused, and left as it is', async () => {
    const path = await file();
    open(path).close();
    await rm(`${path}-wal`, { force: true });
    const text = 'this is not a journal, but somebody may want it '.repeat(100);
    await writeFile(path, text);
    expect(codeOf(() => open(path))).toBe('JOURNAL_DAMAGED');
    expect(await readFile(path, 'utf8')).toBe(text);
  });

  it('with a damaged page says so instead of replaying less', async () => {
    const path = await file();
    const journal = open(path);
    for (let n = 0; n < 200; n++) journal.append({ n, text: 'x'.repeat(2_000) }, n);
    journal.close();
    const bytes = await readFile(path);
    bytes.fill(0xff, Math.floor(bytes.length / 2), Math.floor(bytes.length / 2) + 8192);
    await writeFile(path, bytes);
    expect(codeOf(() => [...open(path).replay()])).toBe('JOURNAL_DAMAGED');
  });

  it('gives back what was written or says that it is damaged, whichever bit is flipped', async () => {
    const path = await file();
    const journal = open(path);
    for (let n = 0; n < 200; n++) journal.append({ n, text: 'x'.repeat(n) }, n, `leaf ${n}`);
    const written = [...journal.replay()];
    journal.close();
    const whole = await readFile(path);
    const positions = 100;
    let noticed = 0;
    for (let n = 0; n < positions; n++) {
      const at = Math.floor((whole.length * n) / positions);
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (n % 8));
      await writeFile(path, bytes);
      const code = codeOf(() => {
        const again = open(path);
        try {
          expect([...again.replay()], `byte ${at}`).toEqual(written);
        } finally {
          again.close();
        }
      });
      if (code !== undefined) noticed++;
      if (code !== undefined) expect(code, `byte ${at}`).toMatch(/^JOURNAL_(?!IN_USE)/);
      await rm(`${path}-wal`, { force: true });
      await rm(`${path}-shm`, { force: true });
    }
    expect(noticed).toBeGreaterThan(positions / 2);
  });

  /** A journal as a process leaves it that is killed: its events are in the write-ahead log. */
  async function killed(): Promise<{ path: string; wal: Buffer; frameBytes: number }> {
    const path = await file();
    const { child, ready } = hold(path);
    await ready;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    const wal = await readFile(`${path}-wal`);
    return { path, wal, frameBytes: 24 + wal.readUInt32BE(8) };
  }

  it('of a process that was killed loses nothing silently to a flipped bit of its write-ahead log', async () => {
    const { path, wal, frameBytes } = await killed();
    const whole = await readFile(path);
    const read = (bytes: Buffer) => {
      writeFileSync(path, whole);
      writeFileSync(`${path}-wal`, bytes);
      rmSync(`${path}-shm`, { force: true });
      const journal = open(path);
      try {
        return [...journal.replay()];
      } finally {
        journal.close();
      }
    };
    const written = read(wal);
    expect(written.length).toBeGreaterThanOrEqual(50);
    const frames = Math.floor((wal.length - 32) / frameBytes);
    // Behind the last whole transaction is nothing that could show that something is missing.
    const end = 32 + (frames - 3) * frameBytes;
    for (let n = 0; n < 100; n++) {
      const at = n < 32 ? n : 32 + Math.floor(((end - 32) * (n - 32)) / 68);
      const bytes = Buffer.from(wal);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (n % 8));
      let again: typeof written = [];
      const code = codeOf(() => {
        again = read(bytes);
      });
      if (code === undefined) expect(again, `byte ${at}`).toEqual(written);
      else expect(code, `byte ${at}`).toBe('JOURNAL_DAMAGED');
    }
  });

  it('is damaged where its write-ahead log stays so, and not while another process writes to that', async () => {
    const { path, wal, frameBytes } = await killed();
    // One frame was read before it was written, and the next ones after that.
    const torn = Buffer.from(wal).fill(0, 32 + 4 * frameBytes, 32 + 5 * frameBytes);
    const damageOf = (...reads: Buffer[]) => walDamage(`${path}-wal`, () => reads.shift() ?? wal);
    expect(damageOf(torn, torn)).toMatch(/^frame 5 of \d+ is damaged$/);
    expect(damageOf(torn, wal)).toBeUndefined();
  });

  it('for which there was no room when it was made is made at the next start', async () => {
    const path = await file();
    const text = `import { openJournal } from '../../src/journal/index.ts';
    try { openJournal(${JSON.stringify(path)}, { name: 'a machine', rules: 1 }); } catch ({ code }) { console.log(code); }`;
    expect(inSmallFiles(0, import.meta.dirname, text)).toBe('JOURNAL_UNWRITABLE\n');
    expect(await readdir(dirname(path))).toEqual([]);
    expect(codeOf(() => open(path))).toBeUndefined();
  });

  it('takes nothing of a draft that a killed process of the same number left, as in a container', async () => {
    const path = await file();
    const draft = `${path}.${process.pid}.new`;
    const left = open(draft);
    left.append({ n: 1 }, 1);
    left.close();
    expect([...open(path).replay()]).toEqual([]);
    expect(existsSync(draft)).toBe(true);
  });

  it('of which the database was removed takes no event of the log that is left', async () => {
    const { path } = await killed();
    await rm(path);
    expect([...open(path).replay()]).toEqual([]);
  });

  it('without a byte is not taken for a new one where its log has events', async () => {
    const { path, wal } = await killed();
    await writeFile(path, '');
    expect(codeOf(() => open(path))).toBe('JOURNAL_DAMAGED');
    expect((await readFile(`${path}-wal`)).equals(wal)).toBe(true);
  });

  describe('after its process was killed', () => {
    /** The files that it left, which `put` brings back in the same place. */
    async function left() {
      const path = await file();
      const journal = open(path);
      for (let n = 1; n <= 10; n++) {
        journal.append({ n, text: 'x'.repeat(100) }, n);
        if (n <= 9) journal.sync();
      }
      const paths = [path, `${path}-wal`, `${path}-synced`];
      const [db, wal, mark] = (await Promise.all(paths.map((one) => readFile(one)))) as [
        Buffer,
        Buffer,
        Buffer,
      ];
      journal.close();
      expect(existsSync(`${path}-synced`)).toBe(false);
      const put = (log: Buffer, says = mark): void => {
        writeFileSync(path, db);
        writeFileSync(`${path}-wal`, log);
        writeFileSync(`${path}-synced`, says);
        rmSync(`${path}-shm`, { force: true });
      };
      const read = () => {
        const again = open(path);
        try {
          return [...again.replay()].length;
        } finally {
          again.close();
        }
      };
      const frameBytes = 24 + wal.readUInt32BE(8);
      const frames = Math.floor((wal.length - 32) / frameBytes);
      return { path, put, read, wal, mark, at: (frame: number) => 32 + frame * frameBytes, frames };
    }

    it('loses no synced event silently where the log was cut, or its end is damaged', async () => {
      const { put, read, wal, at, frames } = await left();
      put(wal);
      expect(read()).toBe(10);
      const cuts = Array.from({ length: frames }, (_, n) => wal.subarray(0, at(n)));
      const found = [wal.subarray(0, 0), ...cuts].map((log) => {
        put(log);
        return codeOf(read);
      });
      // The last event was not synced: its frames may be missing.
      const lazy = found.findIndex((code) => code === undefined);
      expect(found.slice(0, lazy)).toEqual(found.slice(0, lazy).map(() => 'JOURNAL_DAMAGED'));
      expect(lazy).toBeGreaterThan(found.length - 5);
      for (let n = lazy - 2; n >= lazy - 4; n--) {
        put(wal.with(at(n) + 30, (wal[at(n) + 30] ?? 0) ^ 1).subarray(0, at(lazy)) as Buffer);
        expect(codeOf(read), `frame ${n}`).toBe('JOURNAL_DAMAGED');
      }
      put(wal.subarray(0, 0));
      expect([codeOf(read), codeOf(read)]).toEqual(['JOURNAL_DAMAGED', 'JOURNAL_DAMAGED']);
    });

    it('is taken as it is where another file was put in its place, or nothing is known of its end', async () => {
      const { path, put, read, wal, mark, at } = await left();
      put(wal, mark.with(mark.length - 3, 0x39) as Buffer);
      expect(read()).toBe(10);
      const cut = wal.subarray(0, at(4));
      put(cut, mark.with(20, 0x41) as Buffer);
      expect(read()).toBeLessThan(9);
      put(cut);
      await writeFile(`${path}.copy`, await readFile(path));
      rmSync(path);
      await rename(`${path}.copy`, path);
      expect(read()).toBeLessThan(9);
    });

    it('may have had one event in the place of all before', async () => {
      const { path, put, read, wal } = await left();
      put(wal);
      const journal = open(path);
      journal.sync();
      // Killed before the new number is written.
      vi.spyOn(EndMark.prototype, 'set').mockImplementation(() => {});
      journal.replaceAll({ n: 1 }, 1);
      vi.restoreAllMocks();
      expect(existsSync(`${path}-synced`)).toBe(false);
      journal.append({ n: 2 }, 2);
      journal.sync();
      const paths = [path, `${path}-wal`, `${path}-synced`];
      const files = await Promise.all(paths.map((one) => readFile(one)));
      journal.close();
      for (const [n, one] of paths.entries()) writeFileSync(one, files[n] ?? '');
      expect(read()).toBe(2);
    });
  });

  it('with frames of a transaction that never ended behind its last one is taken up to that', async () => {
    const path = await file();
    const journal = open(path);
    journal.append({ n: 1 }, 1);
    journal.close();
    const db = new DatabaseSync(path);
    onTestFinished(() => db.close());
    // Too large for the cache, so that its pages are written before it is rolled back.
    db.exec('PRAGMA journal_mode = WAL; PRAGMA cache_size = 5');
    const insert = db.prepare('INSERT INTO about (key, value) VALUES (?, ?)');
    insert.run('the first', 'one');
    db.exec('BEGIN');
    for (let n = 0; n < 100; n++) insert.run(`${n}`, 'x'.repeat(3_000));
    db.exec('ROLLBACK');
    insert.run('one', 'more');
    const copy = `${path}.copy`;
    for (const end of ['', '-wal']) await writeFile(`${copy}${end}`, await readFile(`${path}${end}`));
    expect([...open(copy).replay()].map(({ event }) => event)).toEqual([{ n: 1 }]);
  });

  it('that was last written before this host started may have lost in a power cut what was not synced', async () => {
    const { path, wal, frameBytes } = await killed();
    const bytes = Buffer.from(wal).fill(0, 32 + 10 * frameBytes, 32 + 11 * frameBytes);
    await writeFile(`${path}-wal`, bytes);
    utimesSync(`${path}-wal`, 1, 1);
    expect([...open(path).replay()].length).toBeGreaterThan(0);
    await writeFile(`${path}-wal`, bytes);
  });

  it('names the event that is not as it was written, or that is missing', async () => {
    const path = await file();
    const journal = openJournal<{ kind: string }>(path, { name: 'a machine', rules: 1 });
    for (const kind of ['submit', 'claim', 'tick']) journal.append({ kind }, 1);
    journal.close();
    const says = (sql: string) => {
      const db = new DatabaseSync(path);
      db.exec(sql);
      db.close();
      return () => {
        const again = open(path);
        try {
          return [...again.replay()];
        } finally {
          again.close();
        }
      };
    };
    expect(says("UPDATE events SET event = replace(event, 'tick', 'tack') WHERE seq = 3")).toThrow(
      /^event 3 of .*journal\.db \(tack\) is not as it was written/,
    );
    expect(says('DELETE FROM events WHERE seq = 3')).toThrow(/^event 3 of .* is missing/);
    expect(says('DELETE FROM events WHERE seq = 1')).toThrow(/^event 1 of .* is missing/);
  });

  it('of the format before gets its checksums when it is opened', async () => {
    const path = await file();
    const journal = open(path);
    journal.append({ n: 1, text: 'ünï' }, 1, 'a leaf');
    journal.append({ n: 2 }, 2);
    journal.close();
    const db = new DatabaseSync(path);
    db.exec("ALTER TABLE events DROP COLUMN sum; UPDATE about SET value = '2' WHERE key = 'version'");
    db.close();
    const upgraded = open(path);
    upgraded.append({ n: 3 }, 3);
    expect([...upgraded.replay()].map(({ event }) => event.n)).toEqual([1, 2, 3]);
    upgraded.close();
    const again = new DatabaseSync(path);
    again.exec('UPDATE events SET at = 7 WHERE seq = 1');
    again.close();
    expect(() => [...open(path).replay()]).toThrow(/event 1 of/);
  });

  it('on a disk that does not give it back is damaged', async () => {
    const path = await file();
    open(path).close();
    // A read of these gives EIO and EINVAL.
    for (const unreadable of ['mem', 'clear_refs']) {
      await symlink(`/proc/self/${unreadable}`, `${path}-${unreadable}`);
      expect(
        codeOf(() => open(`${path}-${unreadable}`)),
        unreadable,
      ).toBe('JOURNAL_DAMAGED');
    }
  });

  it('with an event that is no JSON says which', async () => {
    const path = await file();
    const journal = open(path);
    journal.append({ n: 1 }, 1);
    journal.append({ n: 2 }, 2);
    journal.close();
    const db = new DatabaseSync(path);
    db.exec("UPDATE events SET event = '{' WHERE seq = 2");
    db.close();
    expect(() => [...open(path).replay()]).toThrow(/event 2 of/);
  });

  it('in a place where nothing can be written is refused', async () => {
    const path = await file();
    await mkdtemp(join(tmpdir(), 'quorate-journal-')).then(async (dir) => {
      onTestFinished(() => rm(dir, { recursive: true, force: true }));
      await writeFile(join(dir, 'taken'), '');
      expect(codeOf(() => open(join(dir, 'taken', 'journal.db')))).toBe('JOURNAL_UNWRITABLE');
      await chmod(dir, 0o500);
      // Root may write anywhere; a folder of the kernel's it may not.
      const place = userInfo().uid === 0 ? '/proc/journal.db' : join(dir, 'journal.db');
      expect(codeOf(() => open(place))).toBe('JOURNAL_UNWRITABLE');
      await chmod(dir, 0o700);
      // Of these nothing can be told, not even whether they are there.
      await symlink('loop.db', join(dir, 'loop.db'));
      for (const name of ['loop.db', `${'long'.repeat(100)}.db`])
        expect(codeOf(() => open(join(dir, name)))).toBe('JOURNAL_UNWRITABLE');
    });
    expect(existsSync(path)).toBe(false);
  });

  it('refuses an event it cannot write, and holds all those before', async () => {
    const path = await file();
    open(path).close();
    // A limit on the size of files is what a full disk looks like from here.
    const script = `trap '' XFSZ; ulimit -f 200; exec "$0" --disable-warning=ExperimentalWarning "$1" "$2"`;
    const child = spawn('sh', ['-c', script, process.execPath, holder, path]);
    onTestFinished(() => void child.kill('SIGKILL'));
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    await once(child, 'close');
    const lines = text.trim().split('\n');
    expect(lines.pop()).toBe('JOURNAL_UNWRITABLE');
    expect(lines.length).toBeGreaterThan(0);
    const events = [...open(path).replay()].map(({ event }) => event.n);
    expect(events).toEqual(lines.map(Number));
  });
});

it('an event that means nothing is named with its file, and one that was refused keeps its code', async () => {
  const path = await file();
  const journal = open(path);
  journal.appendAll([
    { event: { n: 1 }, at: 1 },
    { event: { n: 2 }, at: 2 },
  ]);
  const taken: number[] = [];
  const failing = (error: Error) => () =>
    replayEach(journal, ({ n }) => {
      if (n === 2) throw error;
      taken.push(n);
    });
  expect(failing(new TypeError('of undefined'))).toThrow(
    expect.objectContaining({ code: 'JOURNAL_DAMAGED', message: `event 2 of ${path} cannot be read` }),
  );
  expect(codeOf(failing(new QuorateError('HOME_NEWER', 'newer')))).toBe('HOME_NEWER');
  expect(taken).toEqual([1, 1]);
});

it('one event in the place of all is there alone, and what comes later follows it', async () => {
  const path = await file();
  const journal = open(path);
  for (let n = 0; n < 5; n++) journal.append({ n }, n);
  journal.replaceAll({ n: 10 }, 7);
  journal.append({ n: 11 }, 8);
  journal.close();
  expect([...open(path).replay()].map(({ event, at }) => [event.n, at])).toEqual([
    [10, 7],
    [11, 8],
  ]);
});
