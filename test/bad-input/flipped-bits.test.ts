import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { messageOf, QuorateError } from '../../src/core/errors.ts';
import { openCheckpoint, withoutWitnesses } from '../../src/core/transparency/index.ts';
import { loadKey } from '../../src/identity/keys.ts';
import { joseVerifier } from '../../src/identity/verifier.ts';
import { openJournal } from '../../src/journal/index.ts';
import { listImageFiles } from '../../src/runtime/images/files.ts';
import { openHome } from '../../src/runtime/membership/home.ts';
import { openProjectFolder, readCharter } from '../../src/runtime/membership/project-folder.ts';
import { openRevocationBook } from '../../src/runtime/membership/revocation-file.ts';
import { Ledger } from '../../src/runtime/store/ledger.ts';
import { openLeafFile } from '../../src/runtime/worker/leaf-file.ts';
import { openWitnessFile } from '../../src/runtime/worker/witness-file.ts';
import { openStore } from '../../src/store/index.ts';
import { PinLog } from '../../src/store/pin-log.ts';
import { type Flips, flipsTable, page } from './support/flips-table.ts';
import { leftFolders } from './support/left-folders.ts';

const positions = 200;
let left: string;
let project: string;
const found: Flips[] = [];

beforeAll(async () => {
  const { cluster, left: folders } = await leftFolders();
  left = folders;
  project = cluster.project;
});

/** The value that the program has of a file. */
type Read = (file: string) => Promise<unknown>;

const journal: Read = async (file) => {
  // The node that reads a journal also says whose it has to be.
  const name = String(about.get(basename(file)));
  const opened = openJournal(file, { name, rules: 99 });
  try {
    return [...opened.replay()];
  } finally {
    opened.close();
  }
};
const about = new Map<string, string>();

function nameOf(file: string): string {
  const db = new DatabaseSync(file);
  try {
    return String(db.prepare("SELECT value FROM about WHERE key = 'machine'").get()?.value);
  } finally {
    db.close();
  }
}

const store: Read = async (file) => {
  const opened = await openStore({ dir: file.slice(0, file.indexOf('/store/') + '/store'.length) });
  try {
    const { damaged } = await opened.scrub({ bytesPerSecond: Number.POSITIVE_INFINITY });
    if (damaged > 0) throw new QuorateError('STORE_BLOCK_MISSING', 'it is fetched again');
    return await opened.pins();
  } finally {
    await opened.close();
  }
};

/** Of which the other values are refused where they are used. */
const rows: [file: string, read: Read, says?: string][] = [
  ['repo/.quorate/charter.jws', async (file) => (await readCharter(dirname(file)))?.payload],
  ['repo/.quorate/controller.key', async (file) => (await loadKey(file)).id],
  ['repo/.quorate/controller.db', journal],
  [
    'repo/.quorate/checkpoint.txt',
    async (file) => {
      const log = (await openProjectFolder(dirname(dirname(file)))).controller.id;
      return openCheckpoint(withoutWitnesses(readFileSync(file, 'utf8')), { project, log }, joseVerifier);
    },
  ],
  [
    'repo/.quorate/controller.json',
    async (file) => (await openProjectFolder(dirname(dirname(file)))).address(),
  ],
  ['repo/.quorate/images/*.json', async (file) => listImageFiles(dirname(file))],
  [
    'repo/.quorate/store/pins.log',
    async (file) => {
      const log = new PinLog(file);
      log.open();
      log.close();
      return log.pins;
    },
  ],
  ['repo/.quorate/store/public/1.car', store],
  ['repo/.quorate/store/public/index.db', store],
  ['owner/projects/PROJECT.json', async (file) => openHome(dirname(dirname(file))).memberships()],
  ['owner/hooks/PROJECT/trusted/journal.db', journal],
  ['owner/watch-PROJECT.db', journal],
  [
    'ada/revocations/PROJECT.json',
    async (file) => {
      const { list, askedAt, equivocations } = await openRevocationBook(dirname(dirname(file)), project);
      return { list, askedAt, equivocations };
    },
  ],
  ['ada/worker-PROJECT.db', journal],
  ['ada/witness-PROJECT.json', async (file) => openWitnessFile(file, project).load()],
  ['tower/log-PROJECT.txt', async (file) => openLeafFile(file).load()],
  ['depot/store-PROJECT.json', async (file) => (await Ledger.open(file)).known],
];

const fileOf = (name: string): string => {
  const file = join(left, name.replace('PROJECT', project));
  const ending = basename(file).slice(1);
  const star = basename(file).startsWith('*');
  return star
    ? join(dirname(file), readdirSync(dirname(file)).find((one) => one.endsWith(ending)) ?? '')
    : file;
};

it.each(rows)('%s: a flipped bit is noticed or changes nothing', async (name, read) => {
  const file = fileOf(name);
  const dir = await mkdtemp(join(tmpdir(), 'quorate-flips-'));
  const copy = join(dir, file.slice(left.length + 1));
  const [home = ''] = file.slice(left.length + 1).split('/');
  const inStore = /^.*\/store(?=\/)/.exec(file)?.[0];
  const fresh = () => {
    const from = read === store && inStore !== undefined ? inStore : file;
    const to = join(dir, from.slice(left.length + 1));
    rmSync(to, { recursive: true, force: true });
    for (const end of ['-wal', '-shm']) rmSync(`${copy}${end}`, { force: true });
    cpSync(from, to, { recursive: true });
  };
  try {
    cpSync(join(left, home), join(dir, home), { recursive: true });
    if (read === journal) about.set(basename(copy), nameOf(copy));
    fresh();
    const whole = readFileSync(copy);
    const before = await read(copy);
    const counts = { same: 0, refused: 0, other: 0 };
    const codes = new Set<string>();
    for (let n = 0; n < positions; n++) {
      const at = Math.floor((whole.length * n) / positions);
      if (read === journal || read === store) fresh();
      writeFileSync(copy, whole.with(at, (whole[at] ?? 0) ^ (1 << (n % 8))));
      try {
        const after = await read(copy);
        const isSame = isDeepStrictEqual(after, before);
        counts[isSame ? 'same' : 'other']++;
        expect.soft(after, `bit ${n % 8} of byte ${at}`).toEqual(before);
      } catch (error) {
        codes.add((error as { code?: string }).code ?? messageOf(error));
        counts.refused++;
      }
    }
    found.push({ file: name, ...counts, codes: [...codes].sort() });
    for (const code of codes) expect(code).toMatch(/^(?!ERR_|JOURNAL_UNWRITABLE)[A-Z]+_[A-Z0-9_]+$/);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

afterAll(() => {
  if (process.env.FLIPS === 'write')
    writeFileSync(page, flipsTable(readFileSync(page, 'utf8'), found, positions));
});
