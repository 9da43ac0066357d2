import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openMesh, type PeerAddress, projectRendezvous } from '../../mesh/index.ts';
import { announce } from '../../node/artifacts/announce.ts';
import { startBlockCollection } from '../../node/artifacts/block-collection.ts';
import { openBundles, serveBundles } from '../../node/artifacts/bundles.ts';
import { repairTrees } from '../../node/artifacts/repair.ts';
import { serveArtifacts } from '../../node/artifacts/transfer.ts';
import { inFile, readOptional, writeAtomic } from '../../node/files.ts';
import { warnWhenFull } from '../../node/full-warning.ts';
import { type NodePorts, openNode } from '../../node/kernel/open-node.ts';
import { machineTime, meshDial, signingOf } from '../../node/ports.ts';
import { journalFile } from '../../owner/controller-socket.ts';
import {
  type ProjectFolder,
  readCharter,
  unusedFile,
  writeAddress,
  writeCharter,
} from '../../owner/project-folder.ts';
import { version } from '../../program.ts';
import { messageOf } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { counted } from '../../protocol/base/quantity.ts';
import type { Charter, Verified } from '../../protocol/documents/index.ts';
import { ownVersion } from '../../protocol/wire/peer-version.ts';
import { topicsOf } from '../../protocol/wire/protocols.ts';
import { sha256InSlices } from '../../store/index.ts';
import { type ControllerEffect, type ControllerEvent, defaultTimings } from '../machine/events.ts';
import { rankOf } from '../machine/queries/members.ts';
import { CheckedBundles } from '../sessions/checked-bundles.ts';
import { ControllerSessions } from '../sessions/controller-sessions.ts';
import { LostBundles } from '../sessions/lost-bundles.ts';
import { StartInquiry } from '../sessions/start-inquiry.ts';
import type { ControllerContext } from './context.ts';
import { ControllerControl } from './control.ts';
import { awaitControllerJournal, idpIdOf } from './controller-journal.ts';
import { ControllerDependencies } from './dependencies.ts';
import { keepCharter, otherKeys, refreshCharter, watchCharter } from './folder-charter.ts';
import { ControllerImages } from './images.ts';
import { holdersOf, Keeper, pin } from './keep.ts';
import { controllerNodeLimits } from './limits.ts';
import { openLogFiles } from './log-files.ts';
import { NamedWitnesses } from './named-witnesses.ts';
import { openGrants } from './open-grants.ts';
import { controllerPages } from './page-parts.ts';
import { memberStanding, publicView } from './public-view.ts';
import { openSpool } from './spool.ts';
import { controllerHealth, tellAtStart, tellLost } from './status.ts';
import { storePorts } from './store-ports.ts';

/** Remedy for a last checkpoint that cannot be read. */
const checkpointHint =
  'Put it back from a copy. Without one remove it: the controller asks its members for the newest checkpoint before it signs anything.';

export interface ControllerOptions extends NodePorts {
  folder: ProjectFolder;
  listen: string[];
  announce: string[];
  bootstrap: string[];
  /** Connections at once, of members and of those who ask. Default: `controllerNodeLimits.connectionsDefault`. */
  connections?: number;
  /** How long a slot may stay empty before a round goes on without it. */
  slotWaitMs?: number;
  absenceWaitMs?: number;
  /** Lifetime of the grants of members; a day by default, which is the most. */
  grantMs?: number;
  /** Where the witnesses of others are that the charter names, by name. */
  witnessUrls?: ReadonlyMap<string, string>;
  /** Where the identity provider's process is, whose key is not in the folder. */
  idp?: string[];
  /** Artifact stores that keep what is published in the place of this controller, and how many of them have to. */
  stores?: { peers: readonly PeerAddress[]; copies: number };
  /** Goes on without asking the members what the log was. */
  alone?: boolean;
  /** The clock is right now, and was wrong when the journal was last written. */
  acceptClock?: boolean;
  /** The charter names other keys: workers were told, nothing new is signed, and the node is to be started again from its folder. */
  onRekeyed(): void;
  /** It is drained, and is to be closed. */
  onStop?(): void;
}

export type ControllerNode = Awaited<ReturnType<typeof startController>>;

/** Starts controller, store and, where its key is in the folder, identity provider. @throws `IDP_…`, `JOURNAL_…`, `MESH_…`, `STORE_…`. */
export async function startController(options: ControllerOptions) {
  const { folder } = options;
  const journalLost = !existsSync(journalFile(folder.dir)) && !existsSync(join(folder.dir, unusedFile));
  const time = machineTime();
  return openNode({ ...options, dir: folder.dir, time }, async (kernel) => {
    const { tell, clock, closing } = kernel;
    const { journal, machine } = await awaitControllerJournal(folder, options.signal);
    await kernel.use(journal);
    const mesh = await kernel.use(
      openMesh({
        key: folder.controller.seed,
        listen: options.listen,
        announce: options.announce,
        bootstrap: [
          ...folder.charter.bootstrap,
          ...options.bootstrap,
          // Like first peers these stay connected.
          ...(options.stores?.peers ?? []).flatMap(({ addrs }) => addrs),
        ],
        peersFile: join(folder.dir, 'peers.json'),
        topics: topicsOf(folder.project),
        maxConnections: options.connections ?? controllerNodeLimits.connectionsDefault,
        rankOf: (peer) => rankOf(machine.state, peer),
        role: 'node',
      }),
    );
    const store = await kernel.openStore(mesh.libp2p);
    const bundles = openBundles(join(folder.dir, 'bundles'));
    const names = await bundles.names();
    const spool = openSpool(join(folder.dir, 'bundles', 'lost.spool'), controllerNodeLimits.spoolBytesMax);
    kernel.onClose(() => spool.end());
    const lost = new LostBundles(journal, machine, names, spool);
    const measured = { state: machine.state, mesh, store };
    const meters =
      options.metrics && (await import('./metrics.ts')).meterController(options.metrics, measured);
    const loop = kernel.openLoop<ControllerEvent, ControllerEffect>({
      machine,
      journal: meters?.journal(lost) ?? lost,
      acceptClock: options.acceptClock ?? false,
      tick: { kind: 'tick' },
    });
    const context: ControllerContext = {
      folder,
      machine,
      dispatch: (event) => sessions.dispatch(event),
      mesh,
      store,
      tell,
      closing,
    };
    warnWhenFull(mesh, clock, tell);
    const logEvidence = await kernel.openRevocations(folder.project);
    const images = new ControllerImages(context);
    const dependencies = new ControllerDependencies(context);
    const logFiles = openLogFiles(join(folder.dir, 'logs'));
    const keeper = new Keeper(context, logFiles);
    const signing = signingOf(folder.controller.signer);
    const named = new NamedWitnesses({
      urls: options.witnessUrls ?? new Map(),
      verifier: signing.documents.verifier,
      closing,
      tell,
    });
    const addrs = options.idp ?? [];
    const takeCharter = async (charter: Verified<Charter>) => {
      await writeCharter(folder.dir, charter);
      await refresh();
    };
    const idp = openGrants(context, { addrs, clock, takeCharter });
    const checkpointFile = join(folder.dir, 'checkpoint.txt');
    const inquiry = new StartInquiry({
      project: folder.project,
      signing,
      clock,
      machine,
      tell,
      dial: meshDial(mesh, closing),
      alone: options.alone ?? false,
      journalLost,
      takeCharter,
      stop: (error) => kernel.fail(error),
    });
    let feedUrls: readonly string[] = [];
    const sessions = new ControllerSessions({
      project: folder.project,
      signing,
      version: ownVersion(version()),
      retired: folder.retired.map(({ signer }) => signer),
      grants: idp.grants,
      clock,
      machine,
      inquiry,
      dispatch: (event) => loop.dispatch(event),
      publish: (topic, message) => mesh.publish(topic, message),
      charge: (account, turns) => mesh.charge(account, turns),
      bundles,
      lost,
      checkpointFile: {
        load: () => readOptional(checkpointFile),
        save: (note) => writeAtomic(checkpointFile, note),
      },
      logEvidence,
      externalWitnesses: () =>
        machine.state.charter === null ? [] : named.of(machine.state.charter.payload),
      logFiles,
      needImage: (image) => images.need(image),
      needDependencies: (tree) => dependencies.need(tree),
      bringDependencies: (brought) => dependencies.bring(brought),
      async refreshCharter() {
        await refresh();
        await idp.learnCharter();
      },
      pin: (effect) =>
        void pin(context, effect).catch((error) => tell('warn', 'pin', `pin: ${messageOf(error)}`)),
      stores: options.stores && storePorts(context, options.stores.peers),
      // Logs are kept by stores too, once a bundle names them; of dissent the workers that built it have the trees.
      keep: ({ run, root, from }) => {
        if (options.stores === undefined) keeper.keep(run, { root, from });
      },
      // Nodes that announce an artifact have its bytes.
      announce: (artifact) =>
        options.stores === undefined ? announce(mesh, artifact, closing) : Promise.resolve(),
      feedUrls: () => feedUrls,
      tell,
    });

    let rekeyed = false;
    const refresh = async () => {
      // Workers learn at once what it names, such as a host that waits for their operators.
      const told = (await refreshCharter(context)) ? sessions.tellCharter() : undefined;
      if (rekeyed || !(await otherKeys(context)) || rekeyed) return;
      rekeyed = true;
      tell('warn', 'rekeyed', 'the charter names other keys; the controller goes on with those');
      await (told ?? sessions.tellCharter());
      options.onRekeyed();
    };
    const replayed = loop.replay();
    await keepCharter(context);
    // Before the start: from then on live leases wait a few seconds for their workers, and nothing may delay these.
    await images.offerKept();
    await dependencies.takeUp();
    loop.perform = (effect) => {
      meters?.effect(effect);
      sessions.perform(effect);
    };
    const charter = (await readCharter(folder.dir)) ?? machine.state.charter;
    if (charter === null) throw new Error('a project folder that was opened has a charter');
    for (const { protocol, session, options: bounds } of sessions.served)
      mesh.handle(protocol, session, bounds);
    const served = new CheckedBundles(
      context,
      { ...bundles, get: bundles.text },
      (text) => sha256InSlices(Buffer.from(text)),
      sessions,
    );
    serveBundles(mesh, served);
    serveArtifacts(context);
    kernel.onClose(mesh.joinProject(folder.project));
    const begin = async () => {
      await inFile(checkpointFile, checkpointHint, () =>
        sessions.begin({
          kind: 'started',
          charter,
          keys: { controller: folder.controller.id, idp: idpIdOf(folder) },
          timings: {
            ...defaultTimings,
            slotFillMs: options.slotWaitMs ?? defaultTimings.slotFillMs,
            absenceMs: options.absenceWaitMs ?? defaultTimings.absenceMs,
            grantMs: options.grantMs ?? defaultTimings.grantMs,
          },
          ...(options.stores && {
            stores: { ids: options.stores.peers.map(({ id }) => id), copies: options.stores.copies },
          }),
        }),
      );
      await keepCharter(context);
      tellLost(lost, tell);
      kernel.onClose(watchCharter(refresh, tell));
      idp.start();
      void sessions.startWork(names);
      // Pinned are agreed artifacts, logs, dissenting trees, images and dependencies.
      const holders = (root: string) => holdersOf(machine.state, root);
      kernel.onClose(
        startBlockCollection({
          store,
          tell,
          async trim(signal) {
            const logs = await logFiles.trim(signal);
            if (logs > 0) tell('info', 'logs', `removed the oldest ${counted(logs, 'log')}`, { logs });
          },
          repair: (trees, signal) => repairTrees({ mesh, store, tell, holders }, trees, signal),
        }),
      );
      tellAtStart(machine.state, logEvidence.equivocations, tell);
      await rm(join(folder.dir, unusedFile), { force: true });
    };
    const begun = begin();
    // It listens while it asks its members.
    if ((await Promise.race([begun, inquiry.asks])) === 'asks')
      begun.catch((error) => (closing.aborted ? undefined : kernel.fail(error)));
    await mesh.provide(projectRendezvous(folder.project)).catch((error) => {
      // Where it is the first peer itself, nobody is there to take the record yet; what joins the project tries again.
      const first = folder.charter.bootstrap.length + options.bootstrap.length === 0;
      if (!first) tell('warn', 'provide', messageOf(error));
    });
    await writeAddress(folder.dir, mesh.addresses());
    const control = new ControllerControl({
      dir: folder.dir,
      project: folder.project,
      state: machine.state,
      tell,
      dispatch: context.dispatch,
      asking: () => inquiry.waits,
      connections: () => mesh.connections(),
      stop: () => options.onStop?.(),
    });
    await control.open();
    kernel.onClose(() => control.close());
    if (replayed > 0) tell('info', 'replayed', `went on after ${replayed} events`, { events: replayed });
    return {
      id: folder.controller.id,
      project: folder.project,
      addresses: () => mesh.addresses(),
      view: publicView({ ...context, logEvidence }, sessions, served),
      members: memberStanding(machine, folder),
      pages: controllerPages(context, { logs: sessions.logs, logEvidence, bundles: served }),
      /** Keeps that the alarm of a run was looked at, and by whom. */
      acknowledge: (run: string, by: string) => context.dispatch({ kind: 'acknowledge', run, by }),
      cancel: {
        /** Whether the run goes on, and this key published it. */
        may: (run: string, key: string) => machine.state.index.open.get(run)?.request.signer === key,
        /** Ends a run for the key that published it. @throws `CANCEL_PUBLISHER_MISMATCH`, `RUN_OVER`. */
        run: (which: string, by: string, reason: string) => sessions.cancel({ which, by, reason }),
      },
      /** Where that server is to be found, for workers to remember. */
      tellFeed: (urls: string[]) => {
        feedUrls = urls.slice(0, limits.feedUrlsMax);
      },
      health: controllerHealth(machine.state, mesh, {
        broken: () => kernel.trouble,
        asking: () => inquiry.waits,
      }),
    };
  });
}
