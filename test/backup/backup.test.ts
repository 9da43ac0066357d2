import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { cp, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { homes } from '../../src/backup/homes.ts';
import { makeFolder } from '../../src/backup/new-folder.ts';
import { loadKey } from '../../src/identity/keys.ts';
import type { IdpEvent } from '../../src/idp/machine/events.ts';
import { IdentityProvider } from '../../src/idp/machine/machine.ts';
import { openJournal } from '../../src/journal/index.ts';
import { readCharter } from '../../src/owner/project-folder.ts';
import { damagedFiles, everyDamage } from '../bad-input/support/damaged-files.ts';
import { leftFolders } from '../bad-input/support/left-folders.ts';
import { git } from '../e2e/support/git.ts';
import type { LocalCluster } from '../e2e/support/local-cluster.ts';
import type { Line } from '../e2e/support/told.ts';

let folders: Awaited<ReturnType<typeof leftFolders>>;
let cluster: LocalCluster;
let left: string;
let made = 0;

beforeAll(async () => {
  folders = await leftFolders();
  cluster = folders.cluster;
  left = join(cluster.dir, 'homes', 'left');
  await cp(folders.left, left, { recursive: true });
  // There it is no whole one.
  await rm(join(left, 'repo', '.quorate', 'images'), { recursive: true });
  await startedIdp(join(left, 'idp', '.quorate'), join(left, 'repo', '.quorate', 'charter.jws'));
});

/** Leaves the files that the first start of an identity provider leaves. */
async function startedIdp(dir: string, charterFile: string): Promise<void> {
  cpSync(charterFile, join(dir, 'charter.jws'));
  const [charter, { id }] = [await readCharter(dir), await loadKey(join(dir, 'idp.key'))];
  if (charter === undefined) throw new Error('there is a charter');
  const event = { kind: 'started' as const, charter, key: id, grantMs: 1_000 };
  const { record } = new IdentityProvider(id).handle(event, 1);
  const about = { name: `identity provider ${id}`, rules: IdentityProvider.rules };
  const journal = openJournal<IdpEvent>(join(dir, 'idp.db'), about);
  journal.append(event, 1, record);
  journal.close();
}

type Role = 'controller' | 'idp' | 'store' | 'watch';

/** Where each of them is within a copy of all folders: the folder it runs in, and the home. */
const places: Record<Role, { cwd: string; home: string }> = {
  controller: { cwd: 'repo', home: 'repo/.quorate' },
  idp: { cwd: 'idp', home: 'idp/.quorate' },
  store: { cwd: 'depot', home: 'depot' },
  watch: { cwd: 'owner', home: 'owner' },
};

/** Copies of the folder of one role, or of all folders, that a test may change. */
async function copy(role?: Role): Promise<string> {
  const dir = join(cluster.dir, 'homes', `copy-${made++}`);
  const of = role === undefined ? '' : places[role].cwd;
  await cp(join(left, of), join(dir, of), { recursive: true });
  return dir;
}

/** A path that is not there. */
const fresh = (): string => join(cluster.dir, 'homes', `backups-${made++}`, 'one');

async function run(role: Role, dir: string, ...words: string[]) {
  const { cwd, home } = places[role];
  const isHome = cwd === home;
  const node = cluster.inside(`quorate ${role}`, [role, ...words], {
    home: join(dir.slice(join(cluster.dir, 'homes').length + 1), isHome ? home : 'nobody'),
    cwd: join(dir, cwd),
  });
  const { code } = await node.end();
  const error = node.lines.find((line) => line.error !== undefined)?.error as
    | { code: string; message: string; hint: string }
    | undefined;
  return { code, error, answer: (node.lines.at(-1) ?? {}) as Line, report: node.report() };
}

/** Every file below a folder, with what it holds and who may read it. */
function contentOf(dir: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile())
      found[path.slice(dir.length + 1)] =
        `${createHash('sha256').update(readFileSync(path)).digest('hex')} ${statSync(path).mode & 0o777}`;
  }
  return found;
}

/** Flips a bit in the middle of a file. */
function flip(file: string): void {
  const bytes = readFileSync(file);
  const at = bytes.length >> 1;
  writeFileSync(file, bytes.length === 0 ? 'x' : bytes.with(at, (bytes[at] ?? 0) ^ 4));
}

const eventsIn = (file: string): unknown[] => {
  const db = new DatabaseSync(file);
  const rows = db.prepare('SELECT seq, at, event, rules, record, sum FROM events ORDER BY seq').all();
  db.close();
  return rows;
};

describe.each<[role: Role, journals: string[], files: string[]]>([
  ['controller', ['controller.db'], ['checkpoint.txt', 'charter.jws', 'store/pins.log']],
  ['idp', ['idp.db'], ['charter.jws']],
  ['store', [], ['store-PROJECT.json', 'charter-PROJECT.jws']],
  [
    'watch',
    ['watch-PROJECT.db', 'hooks/PROJECT/trusted/journal.db'],
    ['projects/PROJECT.json', 'watch.toml'],
  ],
])('the home of quorate %s', (role, journals, files) => {
  const { home } = places[role];
  const named = (all: string[]) => all.map((file) => file.replace('PROJECT', cluster.project));

  it('is whole, and checking it changes nothing', async () => {
    const dir = await copy(role);
    const before = contentOf(dir);
    const { code, answer, report } = await run(role, dir, 'check');
    expect([code, answer.whole, answer.findings], report).toEqual([0, true, []]);
    expect(contentOf(dir)).toEqual(before);
  });

  it('is backed up without its keys, and made of that backup elsewhere', async () => {
    const [dir, to] = [await copy(role), fresh()];
    const before = contentOf(dir);
    const backup = await run(role, dir, 'backup', to);
    expect(backup.code, backup.report).toBe(0);
    expect(backup.answer.keys).toEqual([]);
    expect(backup.answer.keysLeft).not.toEqual([]);
    expect(contentOf(dir)).toEqual(before);
    expect(Object.values(contentOf(to)).filter((file) => !file.endsWith(` ${0o600}`))).toEqual([]);
    expect(Object.keys(contentOf(to)).filter((file) => file.endsWith('.key'))).toEqual([]);
    expect((await run(role, dir, 'check', to)).answer).toMatchObject({ backup: true, whole: true });

    await rm(join(dir, home), { recursive: true });
    await mkdir(join(dir, places[role].cwd), { recursive: true });
    const restored = await run(role, dir, 'restore', to);
    expect(restored.code, restored.report).toBe(0);
    expect(restored.answer).toMatchObject({ home: join(dir, home), aside: null, kept: [] });
    expect(restored.answer.missing).toContainEqual(expect.stringMatching(/\.key$/));
    expect(String(restored.answer.next)).toMatch(/Bring .*key/);
    for (const file of named(journals))
      expect(eventsIn(join(dir, home, file))).toEqual(eventsIn(join(left, home, file)));
    for (const file of named(files))
      expect(readFileSync(join(dir, home, file))).toEqual(readFileSync(join(left, home, file)));
    const after = await run(role, dir, 'check');
    const states = (after.answer.findings as { state: string }[]).map(({ state }) => state);
    expect(
      states.filter((state) => state !== 'mends'),
      after.report,
    ).toEqual([]);
  });

  it('takes the place of one that is put aside, whose keys it gets', async () => {
    const [dir, to] = [await copy(role), fresh()];
    await run(role, dir, 'backup', to);
    const before = contentOf(join(dir, home));
    const refused = await run(role, dir, 'restore', to);
    expect([refused.code, refused.error?.code], refused.report).toEqual([2, 'RESTORE_HOME_THERE']);
    const { code, answer, report } = await run(role, dir, 'restore', '--aside', to);
    expect(code, report).toBe(0);
    expect(contentOf(String(answer.aside))).toEqual(before);
    const keys = Object.keys(before).filter((file) => file.endsWith('.key'));
    expect((answer.kept as string[]).sort()).toEqual(keys.sort());
    for (const key of keys)
      expect(readFileSync(join(dir, home, key))).toEqual(readFileSync(join(left, home, key)));
    // git adds neither of them: each is named .quorate.
    if (role === 'controller') expect(answer.aside).toMatch(/\/\.quorate\.before-[^/]+\/\.quorate$/);
  });

  it('has its keys in the backup where that is asked for, for its owner alone', async () => {
    const [dir, to] = [await copy(role), fresh()];
    const backup = await run(role, dir, 'backup', '--keys', to);
    const keys = Object.keys(contentOf(join(dir, home))).filter((file) => file.endsWith('.key'));
    expect((backup.answer.keys as string[]).sort()).toEqual(keys.sort());
    for (const key of keys) expect(contentOf(to)[key]).toBe(contentOf(join(left, home))[key]);
    expect(statSync(to).mode & 0o777).toBe(0o700);
  });
});

describe('a backup', () => {
  it('has artifacts where that is asked for, and they are all of it', async () => {
    const [dir, to] = [await copy(), fresh()];
    expect((await run('controller', dir, 'backup', '--artifacts', to)).code).toBe(0);
    expect(contentOf(to)['store/public/1.car']).toBeDefined();
    expect((await run('controller', dir, 'check', to)).answer).toMatchObject({ whole: true });
    const store = fresh();
    expect((await run('store', dir, 'backup', '--artifacts', store)).code).toBe(0);
    expect((await run('store', dir, 'restore', '--aside', store)).code).toBe(0);
    expect((await run('store', dir, 'check')).answer).toMatchObject({ whole: true });
  });

  it('has what its owner keeps on another disk, to which links lead', async () => {
    const [dir, to, linked] = [await copy('controller'), fresh(), fresh()];
    const home = join(dir, 'repo', '.quorate');
    const all = ['backup', '--keys', '--artifacts'];
    expect((await run('controller', dir, ...all, to)).code).toBe(0);
    const disk = join(dir, 'disk');
    await mkdir(disk);
    for (const name of ['controller.key', 'keys', 'logs', 'store'].filter((one) =>
      existsSync(join(home, one)),
    )) {
      renameSync(join(home, name), join(disk, name));
      symlinkSync(join(disk, name), join(home, name));
    }
    const backup = await run('controller', dir, ...all, linked);
    expect(backup.code, backup.report).toBe(0);
    const withoutTime = (files: Record<string, string>) => ({ ...files, 'manifest.json': '' });
    expect(withoutTime(contentOf(linked))).toEqual(withoutTime(contentOf(to)));
  });

  it.each<[string, (to: string, dir: string) => string, string]>([
    ['where there is something', (to) => to, 'BACKUP_FOLDER_REFUSED'],
    ['in the home', (_, dir) => join(dir, 'repo', '.quorate', 'backups', 'one'), 'BACKUP_FOLDER_REFUSED'],
    [
      'in the home, by a link',
      (_, dir) => {
        symlinkSync(join(dir, 'repo', '.quorate', 'store'), join(dir, 'elsewhere'));
        return join(dir, 'elsewhere', 'one');
      },
      'BACKUP_FOLDER_REFUSED',
    ],
    [
      'beside one that was not finished',
      (_, dir) => {
        cpSync(join(dir, 'idp'), join(dir, 'half.unfinished'), { recursive: true });
        return join(dir, 'half');
      },
      'BACKUP_UNWRITABLE',
    ],
  ])('is not made %s', async (_, where, refusal) => {
    const [dir, to] = [await copy(), fresh()];
    await run('controller', dir, 'backup', to);
    const at = where(to, dir);
    const before = contentOf(dir);
    const { error, report } = await run('controller', dir, 'backup', at);
    expect(error?.code, report).toBe(refusal);
    expect(error?.hint).toMatch(/.{10,}/);
    expect(contentOf(dir)).toEqual(before);
  });

  it('is not made of a folder that is no such home, or of a journal that is damaged', async () => {
    const dir = await copy();
    expect((await run('store', join(dir, 'idp'), 'backup', fresh())).error?.code).toBe(
      'BACKUP_FOLDER_REFUSED',
    );
    const nowhere = await run('controller', dir, 'check', join(dir, 'absent'));
    expect(nowhere.error).toMatchObject({
      code: 'BACKUP_FOLDER_REFUSED',
      hint: expect.stringContaining('that "quorate controller backup" made'),
    });
    const journal = join(dir, 'repo', '.quorate', 'controller.db');
    const db = new DatabaseSync(journal);
    db.exec('UPDATE events SET at = at + 1 WHERE seq = 3');
    db.close();
    const to = fresh();
    const { error } = await run('controller', dir, 'backup', to);
    expect([error?.code, error?.message]).toEqual([
      'JOURNAL_DAMAGED',
      expect.stringContaining(`event 3 of ${journal}`),
    ]);
    expect(existsSync(to) || existsSync(`${to}.unfinished`)).toBe(false);
  });

  it('leaves nothing where it is interrupted', async () => {
    const [dir, to] = [await copy('controller'), fresh()];
    const node = cluster.inside('quorate controller', ['controller', 'backup', to], {
      cwd: join(dir, 'repo'),
    });
    await node.stop();
    expect(existsSync(to) || existsSync(`${to}.unfinished`), node.report()).toBe(false);
  });
});

it('has a journal that is behind nothing else in it: what may be ahead of it is copied first', () => {
  const order = homes.controller.parts.map(({ path }) => path);
  const at = ['checkpoint.txt', 'controller.db', 'store/pins.log', 'store/public/*.car'].map((path) =>
    order.indexOf(path),
  );
  expect(at).toEqual([...at].sort((a, b) => a - b));
  expect(at).not.toContain(-1);
  const store = homes.store.parts.map(({ path }) => path);
  expect(store.indexOf('store-*.json')).toBeLessThan(store.indexOf('store/pins.log'));
});

it('is ignored by git while it is made, with the keys that it may have', async () => {
  const repository = join(cluster.dir, 'homes', `repository-${made++}`);
  await mkdir(repository);
  await git(repository, 'init', '--quiet');
  await makeFolder(join(repository, '.quorate'), async (beside) => {
    writeFileSync(join(beside, 'root.key'), 'secret');
    expect(await git(repository, 'status', '--porcelain', '--untracked-files=all')).toBe('');
  });
  expect(readdirSync(join(repository, '.quorate'))).toEqual(['root.key']);
});

describe('a restore', () => {
  it('takes nothing of a backup of which a file is not as it was written, whichever', async () => {
    const [dir, to] = [await copy('controller'), fresh()];
    await run('controller', dir, 'backup', '--keys', '--artifacts', to);
    for (const file of Object.keys(contentOf(to))) {
      const other = fresh();
      cpSync(to, other, { recursive: true });
      flip(join(other, file));
      const before = contentOf(dir);
      const { error } = await run('controller', dir, 'restore', '--aside', other);
      expect([file, error?.code]).toEqual([
        file,
        file === 'manifest.json' ? 'HOME_DAMAGED' : 'BACKUP_DAMAGED',
      ]);
      expect(error?.message).toContain(join(other, file));
      expect(contentOf(dir)).toEqual(before);
      if (file === 'manifest.json') continue;
      const { code, answer } = await run('controller', dir, 'check', other);
      expect([code, (answer.findings as Line[])[0]]).toEqual([
        1,
        expect.objectContaining({ file, code: 'BACKUP_DAMAGED', state: 'damaged' }),
      ]);
    }
  });

  it.each<[string, (backup: string, dir: string) => void, string]>([
    ['of another process', () => {}, 'BACKUP_FOLDER_REFUSED'],
    ['that was not finished', (backup) => rmSync(join(backup, 'manifest.json')), 'BACKUP_FOLDER_REFUSED'],
    [
      'of a newer version',
      (backup) => writeFileSync(join(backup, 'manifest.json'), '{"v":2,"more":true}'),
      'HOME_NEWER',
    ],
    [
      'with a path that leads out of it',
      (backup) => {
        const file = { path: '../../x', bytes: 0, sha256: '0'.repeat(64) };
        const manifest = { v: 1, role: 'store', version: '1', made: 1, keys: false, artifacts: false };
        writeFileSync(join(backup, 'manifest.json'), JSON.stringify({ ...manifest, files: [file] }));
      },
      'HOME_DAMAGED',
    ],
  ])('does not take one %s', async (_, change, refusal) => {
    const [dir, to] = [await copy(), fresh()];
    await run('controller', dir, 'backup', to);
    change(to, dir);
    const before = contentOf(dir);
    const { error, report } = await run('store', dir, 'restore', '--aside', to);
    expect(error?.code, report).toBe(refusal);
    expect(contentOf(dir)).toEqual(before);
  });

  it('does not take the place of a home in use', async () => {
    const [dir, to] = [await copy(), fresh()];
    await run('watch', dir, 'backup', to);
    // Of another process of the same home.
    const journal = openJournal(join(dir, 'owner', 'worker-x.db'), { name: 'a worker', rules: 1 });
    onTestFinished(() => journal.close());
    const { error } = await run('watch', dir, 'restore', '--aside', to);
    expect([error?.code, error?.message]).toEqual(['HOME_IN_USE', expect.stringContaining('worker-x.db')]);
  });
});

describe('check', () => {
  it.each<[string, Role, (home: string) => void, { code: number; file: RegExp; as: string; says: RegExp }]>([
    [
      'an event of the journal',
      'controller',
      (home) => {
        const db = new DatabaseSync(join(home, 'controller.db'));
        db.exec('UPDATE events SET at = at + 1 WHERE seq IN (2, 5)');
        db.close();
      },
      {
        code: 1,
        file: /^controller\.db$/,
        as: 'JOURNAL_DAMAGED',
        says: /event [25] of controller\.db \([a-z]+\)/,
      },
    ],
    [
      'a journal that is older than the checkpoint',
      'controller',
      (home) => {
        const db = new DatabaseSync(join(home, 'controller.db'));
        const { seq } = db.prepare('SELECT max(seq) AS seq FROM events WHERE record IS NOT NULL').get() ?? {};
        db.exec(
          `DELETE FROM events WHERE seq >= ${seq}; UPDATE sqlite_sequence SET seq = ${Number(seq) - 1}`,
        );
        db.close();
      },
      { code: 4, file: /^checkpoint\.txt$/, as: 'LOG_BEHIND_CHECKPOINT', says: /asks the members/ },
    ],
    [
      'a bundle',
      'controller',
      (home) => flip(join(home, 'bundles', readdirSync(join(home, 'bundles')).at(0) ?? '')),
      { code: 4, file: /^bundles\//, as: 'BUNDLE_DAMAGED|HOME_DAMAGED', says: /./ },
    ],
    [
      'a block of an artifact',
      'controller',
      (home) => flip(join(home, 'store', 'public', '1.car')),
      { code: 4, file: /^store/, as: 'STORE_BLOCK_MISSING|STORE_PINS_INCOMPLETE', says: /./ },
    ],
    [
      'the charter',
      'idp',
      (home) => writeFileSync(join(home, 'charter.jws'), 'a.b.c'),
      { code: 1, file: /^charter\.jws$/, as: 'HOME_DAMAGED', says: /charter\.jws is damaged/ },
    ],
    [
      'the key',
      'store',
      (home) => flip(join(home, 'node.key')),
      { code: 1, file: /^node\.key$/, as: 'KEY_FILE_INVALID', says: /node\.key/ },
    ],
    [
      'the list of what is kept',
      'store',
      (home) => flip(join(home, readdirSync(home).find((file) => /^store-.*json$/.test(file)) ?? '')),
      { code: 1, file: /^store-.*\.json$/, as: 'HOME_DAMAGED', says: /store-/ },
    ],
    [
      'a bundle of a store',
      'store',
      (home) => flip(join(home, 'bundles', readdirSync(join(home, 'bundles')).at(0) ?? '')),
      { code: 4, file: /^bundles\//, as: 'HOME_DAMAGED', says: /bundles/ },
    ],
    [
      'the journal of a hook',
      'watch',
      (home) => {
        const [project = ''] = readdirSync(join(home, 'hooks'));
        const db = new DatabaseSync(join(home, 'hooks', project, 'trusted', 'journal.db'));
        db.exec('DELETE FROM events WHERE seq = 1');
        db.close();
      },
      { code: 1, file: /^hooks\/.*journal\.db$/, as: 'JOURNAL_DAMAGED', says: /event 1 of .* is missing/ },
    ],
  ])('names %s', async (_, role, damage, { code, file, as, says }) => {
    const dir = await copy(role);
    const home = join(dir, places[role].home);
    damage(home);
    const before = contentOf(dir);
    const checked = await run(role, dir, 'check');
    const findings = checked.answer.findings as { file: string; code: string; says: string }[];
    expect(checked.code, checked.report).toBe(code);
    for (const found of findings) {
      expect(found.file).toMatch(file);
      expect(found.code).toMatch(new RegExp(`^(?:${as})$`));
      expect(found.says).toMatch(says);
    }
    expect(contentOf(dir)).toEqual(before);
  });
});

/** Other keys and journals: the controller's are read alike. */
const alike = /^repo.*(?:idp|root|\*)\.key$|journal\.db$|watch-PROJECT\.db$/;

// Here, since the folders take seconds to make. One of the five damages to each file, in turn; damaged-in-every-way.test.ts does all.
describe('a damaged file', () => {
  damagedFiles(
    (row, file) => (alike.test(file) ? [] : [everyDamage[(row + 3) % everyDamage.length] ?? '']),
    async () => folders,
  );
});
