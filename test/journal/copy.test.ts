import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it, onTestFinished, vi } from 'vitest';
import { copyJournal, damagedEvents, foldCopy, isInUse, openCopy } from '../../src/journal/copy.ts';
import { openJournal } from '../../src/journal/index.ts';

async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-copy-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

const holder = join(import.meta.dirname, 'holder.ts');

it('copies a journal of a process that writes: what it had written, whole', async () => {
  const dir = await folder();
  const file = join(dir, 'journal.db');
  // It pauses, so that its log does not begin anew during each try.
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', holder, file, '10'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let told = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    told = Number(text.trimEnd().split('\n').at(-1) ?? told);
  });
  await once(child.stdout, 'data');
  expect(isInUse(file)).toBe(true);
  /** On a busy machine the log may begin anew during each try: then the process stands still in the middle of its writing. */
  const copied = (to: string): Promise<number> =>
    copyJournal(file, to).catch(async (error) => {
      if (error.code !== 'JOURNAL_BUSY') throw error;
      child.kill('SIGSTOP');
      try {
        return await copyJournal(file, to);
      } finally {
        child.kill('SIGCONT');
      }
    });
  let before = 0;
  // SQLite makes a checkpoint about every thousand events.
  for (let n = 0; n < 4 || before <= 1_000; n++) {
    const copy = join(dir, `copy-${n}.db`);
    const least = told;
    const events = foldCopy(copy, await copied(copy));
    expect(events).toBeGreaterThanOrEqual(Math.max(least, before));
    expect(existsSync(`${copy}-wal`)).toBe(false);
    before = events;
    await rm(copy);
  }
  child.kill('SIGKILL');
  await once(child, 'close');
  expect(isInUse(file)).toBe(false);
  const copy = join(dir, 'last.db');
  expect(foldCopy(copy, await copyJournal(file, copy))).toBeGreaterThanOrEqual(told);
});

it('notices that the log of a process that was killed is gone, or that a frame of it is damaged', async () => {
  const dir = await folder();
  const [file, killed] = [join(dir, 'journal.db'), join(dir, 'killed.db')];
  const journal = openJournal<{ n: number }>(file, { name: 'a machine', rules: 1 });
  onTestFinished(() => journal.close());
  for (let n = 1; n <= 3; n++) journal.append({ n }, n);
  journal.sync();
  const damaged = expect.objectContaining({ code: 'JOURNAL_DAMAGED' });
  for (const damage of [
    (log: string) => rm(log),
    async (log: string) => writeFile(log, (await readFile(log)).fill(0, 32, 64)),
  ]) {
    // The number of the last synced event is that of this very file.
    const least = await copyJournal(file, killed);
    expect(least).toBe(3);
    await damage(`${killed}-wal`);
    expect(() => foldCopy(killed, least)).toThrow(damaged);
    await rm(killed);
  }
});

it('copies a journal that nobody has open, and leaves it as it was', async () => {
  const dir = await folder();
  const file = join(dir, 'journal.db');
  const journal = openJournal<{ n: number }>(file, { name: 'a machine', rules: 7 });
  for (let n = 1; n <= 3; n++) journal.append({ n }, n);
  journal.close();
  const { mtimeMs, size } = await stat(file);
  const least = await copyJournal(file, join(dir, 'copy.db'));
  expect([least, foldCopy(join(dir, 'copy.db'), least)]).toEqual([0, 3]);
  expect(await stat(file)).toMatchObject({ mtimeMs, size });
  expect(isInUse(file)).toBe(false);
  expect((await readdir(dir)).sort()).toEqual(['copy.db', 'journal.db']);
  const copy = openCopy<{ n: number }>(join(dir, 'copy.db'));
  expect([...copy.replay()].map(({ event, rules }) => [event.n, rules])).toEqual(
    [1, 2, 3].map((n) => [n, 7]),
  );
  copy.close();
});

it('names each event that is damaged or missing', async () => {
  const dir = await folder();
  const file = join(dir, 'journal.db');
  const journal = openJournal<{ kind: string }>(file, { name: 'a machine', rules: 1 });
  for (const kind of ['one', 'two', 'three', 'four']) journal.append({ kind }, 1);
  journal.close();
  const db = new DatabaseSync(file);
  db.exec(`UPDATE events SET at = 9 WHERE seq = 2; DELETE FROM events WHERE seq = 4`);
  db.close();
  expect(damagedEvents(file)).toEqual([
    `event 2 of ${file} (two) is not as it was written: its checksum is another`,
    `event 4 of ${file} is missing`,
  ]);
  expect(() => foldCopy(file, 4)).toThrow('event 2');
});

it('says when the log begins anew each time', async () => {
  const dir = await folder();
  const file = join(dir, 'journal.db');
  writeFileSync(file, Buffer.alloc(1_000_000));
  const log = openSync(`${file}-wal`, 'w');
  onTestFinished(() => closeSync(log));
  let n = 0;
  const again = () => {
    n++;
    writeSync(log, String(n).padStart(32), 0);
    timer = setImmediate(again);
  };
  let timer = setImmediate(again);
  onTestFinished(() => clearImmediate(timer));
  // The shortest pauses between its tries.
  const random = vi.spyOn(Math, 'random').mockReturnValue(0);
  onTestFinished(() => random.mockRestore());
  await expect(copyJournal(file, join(dir, 'copy.db'))).rejects.toMatchObject({ code: 'JOURNAL_BUSY' });
});
