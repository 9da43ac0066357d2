import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openControllerJournal } from '../../src/controller/node/controller-journal.ts';
import { listImageFiles } from '../../src/execution/images/files.ts';
import { loadKey } from '../../src/identity/keys.ts';
import type { IdpEvent } from '../../src/idp/machine/events.ts';
import { IdentityProvider } from '../../src/idp/machine/machine.ts';
import { type Journal, openJournal, replayEach } from '../../src/journal/index.ts';
import { openLeafFile } from '../../src/node/leaf-file.ts';
import { agreedTiers } from '../../src/node/membership/agreed-tiers.ts';
import { openHome } from '../../src/node/membership/home.ts';
import { openRevocationBook } from '../../src/node/membership/revocation-file.ts';
import { knownHosts } from '../../src/node/membership/shown-hosts.ts';
import { signInToken } from '../../src/node/membership/sign-ins.ts';
import { toldAlarms } from '../../src/node/membership/told-alarms.ts';
import { openProjectFolder } from '../../src/owner/project-folder.ts';
import { decodeBundle } from '../../src/protocol/documents/index.ts';
import { Loop, type Machine } from '../../src/protocol/sessions/loop.ts';
import { openStore } from '../../src/store/index.ts';
import { Ledger } from '../../src/store-node/node/ledger.ts';
import type { WatchEvent } from '../../src/watcher/machine/events.ts';
import { WatchMachine } from '../../src/watcher/machine/machine.ts';
import { openHookFolder } from '../../src/watcher/node/hook-folder.ts';
import { Worker } from '../../src/worker/machine/machine.ts';
import { workerRules } from '../../src/worker/machine/state.ts';
import { openWitnessFile } from '../../src/worker/node/witness-file.ts';
import { goldenState } from '../vectors/journal.ts';

/** Below `left`, of which all files of a home of that kind are read. */
const stores = [join('repo', '.quorate'), 'ada', 'tower', 'depot'];
const workers = ['ada', 'tower'];

/** The contents of the homes that `leftFolders` makes, as this version reads them. Like the start of a node it brings what is of an older format to today's. */
export async function contentOf(left: string): Promise<Record<string, unknown>> {
  const { project, charter } = await openProjectFolder(join(left, 'repo', '.quorate'));
  const controller = await controllerIn(join(left, 'repo', '.quorate'));
  return {
    project,
    charter: [charter.name, charter.epoch],
    controller,
    idp: await idpIn(join(left, 'apart', '.quorate')),
    workers: await Promise.all(workers.map((name) => workerIn(join(left, name), project))),
    client: await clientIn(join(left, 'owner'), project, controller.ids),
    ledger: await ledgerIn(join(left, 'depot', `store-${project}.json`)),
    pins: Object.fromEntries(
      await Promise.all(stores.map(async (name) => [name, await pinsIn(join(left, name, 'store'))])),
    ),
  };
}

/** The number of events that it replays, to what came of each then. */
function replayed<Event extends { kind: string }, Effect>(
  journal: Journal<Event>,
  machine: Machine<Event, Effect>,
): number {
  const rest = { now: () => Number.MAX_SAFE_INTEGER, monotonic: () => 0, after: () => () => {} };
  try {
    return new Loop<Event, Effect>({
      machine,
      journal,
      acceptClock: true,
      clock: { ...rest, endOfTurn: queueMicrotask },
      perform: () => {},
      tick: undefined,
      failed: () => {},
    }).replay();
  } finally {
    journal.close();
  }
}

async function controllerIn(dir: string) {
  const folder = await openProjectFolder(dir);
  const { journal, machine } = openControllerJournal(folder);
  const bundles = join(dir, 'bundles');
  return {
    events: replayed(journal, machine),
    leaves: machine.state.log.size,
    ...goldenState(machine),
    ids: [...machine.state.index.latest()].map(({ id }) => id),
    address: await folder.address(),
    images: (await listImageFiles(join(dir, 'images'))).map(({ image }) => image),
    bundles: readdirSync(bundles).map((file) => {
      decodeBundle(readFileSync(join(bundles, file), 'utf8'));
      return file;
    }),
  };
}

async function idpIn(dir: string) {
  const { id } = await loadKey(join(dir, 'idp.key'));
  const machine = new IdentityProvider(id);
  const name = `identity provider ${id}`;
  const journal = openJournal<IdpEvent>(join(dir, 'idp.db'), { name, rules: IdentityProvider.rules });
  return { events: replayed(journal, machine), members: [...machine.state.members.keys()] };
}

async function workerIn(dir: string, project: string) {
  const home = openHome(dir);
  const { id } = await home.key();
  const name = `worker ${id}`;
  const journal = openJournal<never>(join(dir, `worker-${project}.db`), { name, rules: workerRules });
  const witness = await openWitnessFile(join(dir, `witness-${project}.json`), project).load();
  const leaves = join(dir, `log-${project}.txt`);
  return {
    id,
    membership: (await home.membership(project)).operator,
    events: replayed(journal, new Worker(id)),
    seen: witness?.logs.map(({ log, seen }) => [log, ...seen.map(({ size, root }) => `${size} ${root}`)]),
    leaves: existsSync(leaves) ? await openLeafFile(leaves).load() : null,
    revocations: (await openRevocationBook(dir, project)).list,
    ...ofLater({
      tiers: await agreedTiers(dir),
      hosts: (await knownHosts(home, project))?.shown ?? [],
    }),
  };
}

async function clientIn(dir: string, project: string, runs: readonly string[]) {
  const home = openHome(dir);
  const { id } = await home.key();
  const machine = new WatchMachine();
  const name = `watcher ${project} ${id}`;
  const watch = openJournal<WatchEvent>(join(dir, `watch-${project}.db`), {
    name,
    rules: WatchMachine.rules,
  });
  try {
    replayEach(watch, (event, at) => void machine.handle(event, at));
  } finally {
    watch.close();
  }
  const hook = await openHookFolder(dir, project, 'trusted');
  await hook.close();
  const { role, operator } = await home.membership(project);
  return {
    role,
    operator,
    tips: [...machine.state.tips],
    url: machine.state.settings?.url,
    hook: runs.map((run) => hook.ledger.get(run)?.state),
    ...ofLater({
      signIn: (await signInToken(dir, 'https://ci.example.org')) ?? '',
      told: await toldAlarms(home, project),
    }),
  };
}

/** The first homes do not have these. */
const ofLater = (read: Record<string, string | readonly unknown[]>) =>
  Object.fromEntries(Object.entries(read).filter(([, value]) => value.length > 0));

async function ledgerIn(file: string) {
  const { entries, trees } = await Ledger.open(file);
  return { entries: [...entries.values()], trees: [...trees] };
}

async function pinsIn(dir: string) {
  const store = await openStore({ dir });
  try {
    const { damaged } = await store.scrub({ bytesPerSecond: Number.POSITIVE_INFINITY });
    return { damaged, pins: (await store.pins()).map(({ root, names }) => [root, ...names]) };
  } finally {
    await store.close();
  }
}
