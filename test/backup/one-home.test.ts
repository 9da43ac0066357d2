import { existsSync } from 'node:fs';
import fs, { appendFile, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type BackupOptions, makeBackup } from '../../src/backup/backup.ts';
import { checkHome } from '../../src/backup/check.ts';
import { filesIn } from '../../src/backup/homes.ts';
import { compareCheckpoint, Mends } from '../../src/backup/read-files.ts';
import { restoreBackup } from '../../src/backup/restore.ts';
import type { IdpEvent } from '../../src/idp/machine/events.ts';
import { IdentityProvider } from '../../src/idp/machine/machine.ts';
import { openJournal } from '../../src/journal/index.ts';
import { initIdp, openIdpFolder } from '../../src/owner/idp-folder.ts';
import { initProject } from '../../src/owner/project-folder.ts';
import { MerkleTree } from '../../src/protocol/transparency/index.ts';
import { codeOf, folder } from '../support/code-and-folder.ts';
import { log, noteOf, project, testKey } from '../support/documents.ts';

const { signal } = new AbortController();
const ended = AbortSignal.abort();

/** The home of an identity provider that was started once. */
async function home() {
  const { dir, key } = await initIdp(await folder());
  const made = await initProject(await folder(), { name: 'tools', vcs: [], bootstrap: [], idp: key });
  const charterFile = join(made.dir, 'charter.jws');
  const { charter, charterJws } = await openIdpFolder(dir, charterFile);
  const opened = { payload: charter, raw: charterJws, id: '', signer: made.project };
  const about = { name: `identity provider ${key}`, rules: IdentityProvider.rules };
  const open = () => openJournal<IdpEvent>(join(dir, 'idp.db'), about);
  const journal = open();
  const event: IdpEvent = { kind: 'started', charter: opened as never, key, grantMs: 1_000 };
  journal.append(event, 1, new IdentityProvider(key).handle(event, 1).record);
  journal.close();
  await writeFile(join(dir, 'notes'), 'mine');
  const elsewhere = join(await folder(), 'sign-in.toml');
  await writeFile(elsewhere, 'a = 1');
  await symlink(elsewhere, join(dir, 'sign-in.toml'));
  return { dir, open };
}

const fresh = async () => join(await folder(), 'a', 'backup');
const backup = async (dir: string, to: string, more: Partial<BackupOptions> = {}) =>
  makeBackup({ role: 'idp', home: dir, to, keys: false, artifacts: false, version: '1', signal, ...more });
const restore = (from: string, to: string, more: object = {}) =>
  restoreBackup({ role: 'idp', from, home: to, aside: false, signal, ...more });
/** Without what SQLite keeps beside a journal. */
const names = async (dir: string) =>
  (await readdir(dir)).filter((name) => !/-(wal|shm|synced)$/.test(name)).sort();
const parts = ['charter.jws', 'idp.db', 'sign-in.toml'];

describe('a backup', () => {
  it('has the parts of its home, for their owner alone, and says what it left', async () => {
    const { dir } = await home();
    const to = await fresh();
    const made = await backup(dir, to);
    expect(made).toMatchObject({
      folder: to,
      files: 3,
      events: 1,
      keys: [],
      keysLeft: ['idp.key'],
      others: ['notes'],
    });
    expect(await names(to)).toEqual([...parts, 'manifest.json'].sort());
    let bytes = 0;
    for (const name of parts) {
      const { size, mode } = await stat(join(to, name));
      bytes += size;
      expect([name, mode & 0o777]).toEqual([name, 0o600]);
    }
    expect(made.bytes).toBe(bytes);
    expect((await stat(to)).mode & 0o777).toBe(0o700);
    expect(await names(join(to, '..'))).toEqual(['backup']);
    expect(await checkHome({ role: 'idp', folder: to, signal })).toMatchObject({
      backup: true,
      findings: [],
      events: 1,
    });
    const withKeys = await backup(dir, await fresh(), { keys: true });
    expect(withKeys).toMatchObject({ files: 4, keys: ['idp.key'], keysLeft: [] });
  });

  it.each<[string, (dir: string) => Promise<Partial<BackupOptions>>, string]>([
    ['of no home', async () => ({ home: await folder() }), 'BACKUP_FOLDER_REFUSED'],
    ['of another role', async () => ({ role: 'store' }), 'BACKUP_FOLDER_REFUSED'],
    ['in place of a folder with files', async (dir) => ({ to: join(dir, '..') }), 'BACKUP_FOLDER_REFUSED'],
    ['in place of a file', async (dir) => ({ to: join(dir, 'notes') }), 'BACKUP_FOLDER_REFUSED'],
    ['in its home', async (dir) => ({ to: join(dir, 'x', 'y') }), 'BACKUP_FOLDER_REFUSED'],
    ['that was ended', async () => ({ signal: ended }), `${DOMException.ABORT_ERR}`],
  ])('%s is none, and leaves nothing', async (_which, change, code) => {
    const { dir } = await home();
    const to = await fresh();
    const before = await names(dir);
    const found = await codeOf(async () => backup(dir, to, await change(dir)));
    expect(String(found)).toBe(code);
    expect(await names(dir)).toEqual(before);
    expect(existsSync(to) || existsSync(`${to}.unfinished`)).toBe(false);
  });

  it('takes an empty folder, and none beside which another one is made', async () => {
    const { dir } = await home();
    const to = await fresh();
    await mkdir(`${to}.unfinished`, { recursive: true });
    await expect(backup(dir, to)).rejects.toMatchObject({
      code: 'BACKUP_UNWRITABLE',
      hint: expect.stringMatching(/^Another command/),
    });
    expect(existsSync(`${to}.unfinished`)).toBe(true);
    await rm(`${to}.unfinished`, { recursive: true });
    await mkdir(to);
    expect((await backup(dir, to)).files).toBe(3);
  });

  it('is none of a journal that is damaged, which is named where it is', async () => {
    const { dir } = await home();
    await writeFile(join(dir, 'idp.db'), 'no database'.repeat(1_000));
    const to = await fresh();
    await expect(backup(dir, to)).rejects.toMatchObject({
      code: 'JOURNAL_DAMAGED',
      message: expect.stringContaining(join(dir, 'idp.db')),
      hint: expect.stringMatching(/^Nothing was copied/),
    });
    expect(existsSync(to)).toBe(false);
    expect(await checkHome({ role: 'idp', folder: dir, signal })).toMatchObject({
      backup: false,
      events: 0,
      findings: [{ file: 'idp.db', state: 'damaged' }],
    });
  });
});

describe('a home made of a backup', () => {
  it('has what was in it, without keys that it has not', async () => {
    const { dir } = await home();
    const from = await fresh();
    await backup(dir, from);
    const to = join(await folder(), 'new', '.quorate');
    const made = await restore(from, to);
    expect(made).toMatchObject({
      home: to,
      aside: undefined,
      kept: [],
      manifest: { role: 'idp', keys: false },
    });
    expect(made.missing).toContain('idp.key');
    expect(await names(to)).toEqual(parts);
    for (const name of parts)
      expect(await readFile(join(to, name))).toEqual(await readFile(join(from, name)));
  });

  it('takes the place of one that is put aside, whose keys it gets', async () => {
    const { dir, open } = await home();
    const from = await fresh();
    await backup(dir, from);
    const before = await names(dir);
    expect(await codeOf(() => restore(from, dir))).toBe('RESTORE_HOME_THERE');
    const held = open();
    expect(await codeOf(() => restore(from, dir, { aside: true }))).toBe('HOME_IN_USE');
    expect(await names(dir)).toEqual(before);
    held.close();
    const { aside = '', kept, missing } = await restore(from, dir, { aside: true });
    expect(aside).toMatch(/\.quorate\.before-[0-9T-]+Z(-\d+)?\/\.quorate$/);
    expect([kept, await names(dir)]).toEqual([['idp.key'], [...parts, 'idp.key'].sort()]);
    expect(missing).not.toContain('idp.key');
    expect(await names(aside)).toEqual(before);
    // An empty folder is in nobody's way.
    const empty = await folder();
    expect((await restore(from, empty)).aside).toBeUndefined();
    // A second one has a name of its own.
    const again = await restore(from, dir, { aside: true });
    expect(again.aside).not.toBe(aside);
    expect(await names(aside)).toEqual(before);
  });

  it('leaves the one that is there where its last step fails', async () => {
    const { dir } = await home();
    const from = await fresh();
    await backup(dir, from);
    const before = await names(dir);
    const rename = fs.rename.bind(fs);
    let code = 'EBUSY';
    const spy = vi.spyOn(fs, 'rename').mockImplementation(async (one, other) => {
      if (String(one).endsWith('.unfinished')) throw Object.assign(new Error('busy'), { code });
      return rename(one, other);
    });
    syncBuiltinESMExports();
    onTestFinished(() => {
      spy.mockRestore();
      syncBuiltinESMExports();
    });
    for (code of ['EBUSY', 'EXDEV', 'EIO'])
      await expect(restore(from, dir, { aside: true })).rejects.toMatchObject({
        code: 'BACKUP_UNWRITABLE',
        hint: expect.stringMatching(code === 'EIO' ? /^Nothing is left of it/ : /^A file system is mounted/),
      });
    expect(await names(dir)).toEqual(before);
    expect(await readdir(join(dir, '..'))).toEqual(['.quorate']);
  });

  it.each<[string, (from: string) => Promise<unknown>, string, RegExp]>([
    [
      'a file that has more',
      (from) => appendFile(join(from, 'charter.jws'), 'x'),
      'BACKUP_DAMAGED',
      /is not as it was written/,
    ],
    [
      'a file that changed',
      async (from) => {
        const text = await readFile(join(from, 'charter.jws'), 'utf8');
        await writeFile(join(from, 'charter.jws'), `X${text.slice(1)}`);
      },
      'BACKUP_DAMAGED',
      /charter.jws is not as it was written/,
    ],
    ['a file that is gone', (from) => rm(join(from, 'charter.jws')), 'BACKUP_DAMAGED', /is missing/],
    [
      'a folder where a file was',
      async (from) => {
        await rm(join(from, 'charter.jws'));
        await mkdir(join(from, 'charter.jws'));
      },
      'BACKUP_UNWRITABLE',
      /EISDIR/,
    ],
    [
      'no list of its files',
      (from) => rm(join(from, 'manifest.json')),
      'BACKUP_FOLDER_REFUSED',
      /holds no backup/,
    ],
  ])('is none where it has %s', async (_which, change, code, says) => {
    const { dir } = await home();
    const from = await fresh();
    await backup(dir, from);
    const to = join(await folder(), '.quorate');
    expect(await codeOf(() => restore(from, to, { role: 'store' }))).toBe('BACKUP_FOLDER_REFUSED');
    await change(from);
    await expect(restore(from, to)).rejects.toMatchObject({ code, message: expect.stringMatching(says) });
    expect(existsSync(to) || existsSync(`${to}.unfinished`)).toBe(false);
  });
});

describe('a check', () => {
  it('names damaged events of a journal up to a number', async () => {
    const { dir, open } = await home();
    const journal = open();
    for (let n = 0; n < 30; n++) journal.append({ kind: 'started' } as never, n + 2);
    journal.close();
    const db = new DatabaseSync(join(dir, 'idp.db'));
    db.exec('UPDATE events SET at = at + 1');
    db.close();
    const { findings } = await checkHome({ role: 'idp', folder: dir, signal });
    // The error of the first one comes last.
    expect(findings.map(({ code }) => code)).toEqual(Array(20 + 1).fill('JOURNAL_DAMAGED'));
    expect(findings.at(-1)?.says).toMatch(/event 1 of idp.db/);
  });

  it('is of the parts of that home, whatever another one has in the same folder', async () => {
    const { dir } = await home();
    await mkdir(join(dir, 'store'));
    await writeFile(join(dir, 'store', 'pins.log'), 'no pins');
    expect((await checkHome({ role: 'idp', folder: dir, signal })).findings).toEqual([]);
  });

  it('is none of a home of a newer version, and ends with its caller', async () => {
    const { dir } = await home();
    await expect(checkHome({ role: 'idp', folder: dir, signal: ended })).rejects.toMatchObject({
      name: 'AbortError',
    });
    const to = await fresh();
    await backup(dir, to);
    await writeFile(join(to, 'manifest.json'), '{"v":2}');
    expect(await codeOf(() => checkHome({ role: 'idp', folder: to, signal }))).toBe('HOME_NEWER');
  });

  it('compares a checkpoint with the log of the journal', async () => {
    const tree = new MerkleTree();
    for (const leaf of ['a', 'b', 'c']) tree.append(leaf);
    const file = join(await folder(), 'checkpoint.txt');
    const machine = { state: { log: tree, charter: { payload: { log: log.id } } } };
    const compared = async (note: string) => {
      await writeFile(file, note);
      const error = await compareCheckpoint(file, { id: 'x', machine, lost: [] } as never, project).catch(
        (found: unknown) => found,
      );
      return error === undefined ? undefined : [(error as { code: string }).code, error instanceof Mends];
    };
    const size = (size: number, root: string) => ({ size, root: () => root });
    expect(await compared(await noteOf(tree))).toBeUndefined();
    expect(await compared(await noteOf(size(2, tree.root(2))))).toBeUndefined();
    expect(await compared(await noteOf(size(3, tree.root(2))))).toEqual(['LOG_BEHIND_CHECKPOINT', false]);
    expect(await compared(await noteOf(size(4, tree.root(2))))).toEqual(['LOG_BEHIND_CHECKPOINT', true]);
    expect(await compared(await noteOf(tree, testKey('before')))).toBeUndefined();
    expect(await compared('no checkpoint')).toEqual(['HOME_DAMAGED', false]);
  });
});

it('there are no files of a folder that cannot be read', async () => {
  const dir = await folder();
  expect(await filesIn(join(dir, 'none'), '*')).toEqual([]);
  await expect(filesIn(join(dir, 'x'.repeat(300)), '*')).rejects.toMatchObject({
    code: 'ENAMETOOLONG',
  });
});
