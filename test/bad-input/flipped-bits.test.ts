import { hash } from 'node:crypto';
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadKey as loadBootstrapKey } from '../../bootstrap/key.ts';
import { openControllerJournal } from '../../src/controller/node/controller-journal.ts';
import { CheckedBundles } from '../../src/controller/sessions/checked-bundles.ts';
import { listImageFiles } from '../../src/execution/images/files.ts';
import { consentFor, consentNeeded, rememberTiers } from '../../src/execution/tier-consent.ts';
import { loadKey } from '../../src/identity/keys.ts';
import { endSessionsOf, SignInFile } from '../../src/identity/oidc/settings-file.ts';
import { joseVerifier } from '../../src/identity/verifier.ts';
import { openJournal } from '../../src/journal/index.ts';
import { openBundles } from '../../src/node/artifacts/bundles.ts';
import { openLeafFile } from '../../src/node/leaf-file.ts';
import { openHome, watchedLog } from '../../src/node/membership/home.ts';
import { openRevocationBook } from '../../src/node/membership/revocation-file.ts';
import { saveSignIn, signInToken } from '../../src/node/membership/sign-ins.ts';
import { rememberTold, toldAlarms } from '../../src/node/membership/told-alarms.ts';
import { openProjectFolder, readCharter } from '../../src/owner/project-folder.ts';
import { messageOf, QuorateError, reportedError } from '../../src/protocol/base/errors.ts';
import { decodeBundle } from '../../src/protocol/documents/index.ts';
import { openCheckpoint, withoutWitnesses } from '../../src/protocol/transparency/index.ts';
import { verifyBundle } from '../../src/protocol/trust/index.ts';
import { openStore } from '../../src/store/index.ts';
import { PinLog } from '../../src/store/pin-log.ts';
import { Ledger } from '../../src/store-node/node/ledger.ts';
import { openWitnessFile } from '../../src/worker/node/witness-file.ts';
import { noiseBytes, tar } from '../store/support.ts';
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
  await addFiles();
});

/** Files that a run of that project does not leave. */
async function addFiles(): Promise<void> {
  const owner = openHome(join(left, 'owner'));
  await rememberTold(owner, project, ['run 1', 'run 2']);
  await saveSignIn(owner.dir, 'https://forge.example', 'a token');
  await rememberTiers(owner.dir, ['vm', 'namespace']);
  await openLeafFile(watchedLog(owner.dir, project)).append(['a leaf', 'another leaf']);
  const signIn = join(owner.dir, 'sign-in.toml');
  writeFileSync(signIn, 'origin = "https://ci.example.org"\n');
  for (const person of ['ada', 'bob']) await endSessionsOf(person, signIn, 2_000);
  await loadBootstrapKey(join(left, 'rendezvous', 'node.key'));
  const idp = openJournal(join(left, 'idp', '.quorate', 'idp.db'), { name: 'idp', rules: 1 });
  for (let n = 0; n < 20; n++) idp.append({ kind: 'enrolled', n }, n);
  idp.close();
  const depot = await openStore({ dir: storeOf('ada') });
  const files = [1, 2, 3].map((n) => ({ name: `file${n}`, body: noiseBytes(500, n) }));
  sealedRoot = (await depot.importTar(await tar(files), { into: depot.sealed('lease') })).root;
  await depot.close();
}

const storeOf = (home: string): string => join(left, home, 'store');
let sealedRoot: string;

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

/** The files of a tree in a sealed area, as a worker serves them once its round is revealed. */
const sealed: Read = async (file) => {
  const opened = await openStore({ dir: file.slice(0, file.indexOf('/store/') + '/store'.length) });
  const options = { from: opened.sealed('lease') };
  try {
    const found: string[] = [];
    for await (const { path, cid } of opened.list(sealedRoot, options)) {
      if (path === '') continue;
      const parts: Uint8Array[] = [];
      for await (const part of opened.readFile(cid, options)) parts.push(part);
      found.push(`${path} ${hash('sha256', Buffer.concat(parts))}`);
    }
    return found;
  } finally {
    await opened.close();
  }
};

/** A bundle as whoever fetches it takes it. */
const bundle: Read = async (file) => {
  const text = await openBundles(dirname(file)).get(basename(file, '.json'));
  const verified = await verifyBundle(decodeBundle(text ?? ''), { project }, joseVerifier);
  if (!verified.ok) throw reportedError(verified.code ?? '', 'it does not verify');
  return { text, level: verified.level };
};

/** A bundle as a controller serves it. */
const ownBundle: Read = async (file) => {
  const { journal: events, machine } = openControllerJournal(await openProjectFolder(dirname(dirname(file))));
  for (const { event, at, rules } of events.replay()) machine.handle(event, at, rules);
  events.close();
  const bundles = openBundles(dirname(file));
  const served = new CheckedBundles(
    { machine, tell() {} },
    { ...bundles, get: bundles.text },
    (text) => hash('sha256', text),
    { async storing() {}, async makeAgain() {} },
  );
  return served.get(basename(file, '.json'));
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
  ['repo/.quorate/bundles/*.json', ownBundle],
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
  ['owner/watch-log-PROJECT.txt', async (file) => openLeafFile(file).load()],
  ['owner/told-alarms-PROJECT.json', async (file) => toldAlarms(openHome(dirname(file)), project)],
  ['owner/sign-ins.json', async (file) => signInToken(dirname(file), 'https://forge.example')],
  [
    'owner/sign-in.toml.ended.json',
    async (file) => {
      const opened = await SignInFile.open(
        join(dirname(file), 'sign-in.toml'),
        () => {},
        async () => {},
      );
      opened.close();
      return ['ada', 'bob'].map((person) => [opened.hasEnded(person, 2_000), opened.hasEnded(person, 2_001)]);
    },
  ],
  [
    'owner/tiers.json',
    async (file) => {
      const consent = await consentFor(dirname(file), ['namespace'], undefined);
      if (consent !== undefined) throw consentNeeded(consent);
    },
  ],
  [
    'ada/revocations/PROJECT.json',
    async (file) => {
      const { list, askedAt, equivocations } = await openRevocationBook(dirname(dirname(file)), project);
      return { list, askedAt, equivocations };
    },
  ],
  ['ada/worker-PROJECT.db', journal],
  ['ada/witness-PROJECT.json', async (file) => openWitnessFile(file, project).load()],
  ['ada/store/sealed/*.car', sealed],
  ['tower/bundles/*.json', bundle],
  ['tower/log-PROJECT.txt', async (file) => openLeafFile(file).load()],
  ['depot/store-PROJECT.json', async (file) => (await Ledger.open(file)).known],
  ['idp/.quorate/idp.key', async (file) => (await loadKey(file)).id],
  ['idp/.quorate/idp.db', journal],
  ['rendezvous/node.key', async (file) => loadBootstrapKey(file)],
];

const fileOf = (name: string): string => {
  const file = join(left, name.replace('PROJECT', project));
  const ending = basename(file).slice(1);
  const star = basename(file).startsWith('*');
  return star
    ? join(dirname(file), readdirSync(dirname(file)).find((one) => one.endsWith(ending)) ?? '')
    : file;
};

/** Reads, and may write, the whole store. */
const inAll = (read: Read): boolean => read === store || read === sealed;

it.each(rows)('%s: a flipped bit is noticed or changes nothing', async (name, read) => {
  const file = fileOf(name);
  const dir = await mkdtemp(join(tmpdir(), 'quorate-flips-'));
  const copy = join(dir, file.slice(left.length + 1));
  const [home = ''] = file.slice(left.length + 1).split('/');
  const inStore = /^.*\/store(?=\/)/.exec(file)?.[0];
  const fresh = () => {
    const from = inAll(read) && inStore !== undefined ? inStore : file;
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
    let refused = 0;
    const codes = new Set<string>();
    for (let n = 0; n < positions; n++) {
      const at = Math.floor((whole.length * n) / positions);
      if (read === journal || inAll(read)) fresh();
      writeFileSync(copy, whole.with(at, (whole[at] ?? 0) ^ (1 << (n % 8))));
      try {
        const after = await read(copy);
        expect.soft(after, `bit ${n % 8} of byte ${at}`).toEqual(before);
      } catch (error) {
        codes.add((error as { code?: string }).code ?? messageOf(error));
        refused++;
      }
    }
    found.push({ file: name, refused, codes: [...codes].sort() });
    for (const code of codes) expect(code).toMatch(/^(?!ERR_|JOURNAL_UNWRITABLE)[A-Z]+_[A-Z0-9_]+$/);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

afterAll(() => {
  if (process.env.FLIPS === 'write')
    writeFileSync(page, flipsTable(readFileSync(page, 'utf8'), found, positions));
});
