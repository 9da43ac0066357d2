import { join } from 'node:path';
import type { Registry } from 'prom-client';
import { openMesh, type PeerAddress } from '../../mesh/index.ts';
import { startBlockCollection } from '../../node/artifacts/block-collection.ts';
import { openBundles, serveBundles } from '../../node/artifacts/bundles.ts';
import { artifactLimits } from '../../node/artifacts/limits.ts';
import { membersOf } from '../../node/artifacts/members.ts';
import { repairTrees } from '../../node/artifacts/repair.ts';
import { serveRevocations } from '../../node/artifacts/revocations.ts';
import { serveArtifacts } from '../../node/artifacts/transfer.ts';
import { Closers } from '../../node/closers.ts';
import { readOptional, writeAtomic } from '../../node/files.ts';
import { warnWhenFull } from '../../node/full-warning.ts';
import { type HealthChecks, meshCheck } from '../../node/health.ts';
import type { Home } from '../../node/membership/home.ts';
import { openRevocationBook } from '../../node/membership/revocation-file.ts';
import { type NodeEvent, teller } from '../../node/node-events.ts';
import { meshDial, nodeClock, signingOf } from '../../node/ports.ts';
import { codeOf, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { sessionTimes } from '../../protocol/sessions/limits.ts';
import { knownIn } from '../../protocol/sessions/revocation-exchange.ts';
import { every } from '../../protocol/sessions/timing.ts';
import { topics } from '../../protocol/wire/protocols.ts';
import { openStore } from '../../store/index.ts';
import type { Retention } from '../machine/plan.ts';
import { pinServer } from '../sessions/pin-server.ts';
import { ProjectWatch } from '../sessions/project-watch.ts';
import { AskedTrees } from './asked.ts';
import type { StoreContext } from './context.ts';
import { StoreKeeper } from './keeper.ts';
import { Ledger } from './ledger.ts';
import { storeNodeLimits } from './limits.ts';
import { storeView } from './view.ts';

export interface StoreOptions {
  /** Its key, and all that it keeps, are there. */
  home: Home;
  /** PeerId of the project's root key: all that it believes in. */
  project: string;
  listen: string[];
  announce: string[];
  bootstrap: string[];
  /** Controllers whose addresses are known. */
  controllers: readonly PeerAddress[];
  retention: Retention;
  connections?: number;
  /** Takes the metrics of this node. */
  metrics?: Registry | undefined;
  onEvent(event: NodeEvent): void;
  /** The node cannot go on (a full disk) and has closed itself. */
  onFailure(error: unknown): void;
}

export interface StoreNode {
  readonly id: string;
  readonly project: string;
  addresses(): string[];
  /** For an HTTP server beside it. */
  readonly view: ReturnType<typeof storeView>;
  /** Number of trees that are kept, and their bytes. */
  readonly kept: { trees: number; bytes: number };
  readonly health: HealthChecks;
  close(): Promise<void>;
}

/**
 * An artifact store: follows a project, keeps the trees whose verdicts it proves itself, and serves them. It belongs to nobody's
 * quorum, holds no key of the project, and is believed by nobody. Errors: `HOME_…`, `MESH_…`, `STORE_…`, `KEY_INVALID`.
 */
export async function startStore(options: StoreOptions): Promise<StoreNode> {
  const { home, project, retention } = options;
  const tell = teller(options.onEvent);
  const stop = new AbortController();
  const closers = new Closers(home.dir);
  const closeAll = () => {
    stop.abort();
    return closers.close();
  };
  try {
    const key = await home.key();
    let isController = (_peer: string): boolean => false;
    const mesh = await openMesh({
      key: key.seed,
      listen: options.listen,
      announce: options.announce,
      bootstrap: [...options.bootstrap, ...options.controllers.flatMap(({ addrs }) => addrs)],
      peersFile: join(home.dir, 'peers.json'),
      topics: [topics.verdicts(project), topics.revocations(project)],
      maxConnections: options.connections ?? storeNodeLimits.connectionsDefault,
      rankOf: (peer) => (isController(peer) ? 'owner' : 'guest'),
      role: 'node',
    });
    closers.push(() => mesh.close());
    const store = await openStore({ dir: join(home.dir, 'store'), libp2p: mesh.libp2p }).catch((error) => {
      throw codeOf(error) === 'STORE_IN_USE' ? homeInUse(home.dir, error) : error;
    });
    closers.push(() => store.close());
    const revocations = await openRevocationBook(home.dir, project, (error) =>
      tell('warn', 'revocation', `revocations are not kept, until they can be written: ${messageOf(error)}`),
    );
    const clock = nodeClock(stop.signal);
    warnWhenFull(mesh, clock, tell);
    every(clock, sessionTimes.saveAgainMs, () => void revocations.saveAgain().catch(() => {}));
    const charterFile = join(home.dir, `charter-${project}.jws`);
    const watch = new ProjectWatch({
      project,
      signing: signingOf(key.signer),
      clock,
      dial: meshDial(mesh, stop.signal),
      revocations,
      known: options.controllers,
      subscribe(topic, accepts, handle) {
        mesh.setValidator(topic, async (author, data) => {
          const accepted = await accepts(author, data);
          return accepted === 'ignore' ? accepted : accepted ? 'accept' : 'reject';
        });
        mesh.subscribe(topic, (_author, data) => handle(data));
      },
      findMembers: (timeoutMs) => membersOf(mesh, project, timeoutMs, stop.signal),
      saveCharter: (raw) => writeAtomic(charterFile, `${raw}\n`),
      verdict: (hint) => keeper.hint(hint),
      revoked: () =>
        void keeper.review().catch((error) => {
          if (!stop.signal.aborted) tell('warn', 'revocation', messageOf(error));
        }),
      tell,
    });
    isController = (peer) => watch.isController(peer);
    const charter = await readOptional(charterFile);
    if (charter !== undefined)
      await watch.learnCharter(charter.trim()).catch((error) => tell('warn', 'charter', messageOf(error)));
    const bundles = openBundles(join(home.dir, 'bundles'));
    const context: StoreContext = {
      ...{ project, mesh, store, bundles, retention, watch, tell },
      ledger: await Ledger.open(join(home.dir, `store-${project}.json`)),
      revoked: () => revocations.revoked,
      signal: stop.signal,
    };
    const keeper = new StoreKeeper(context);
    await keeper.reconcile();
    const asked = new AskedTrees(context, keeper);
    const pins = pinServer({
      clock,
      isController: (peer) => watch.isController(peer),
      pin: (request) => asked.pin(request),
      tell,
    });
    mesh.handle(pins.protocol, pins.session, pins.options);
    serveBundles(mesh, bundles);
    serveRevocations(mesh, {
      ...knownIn(revocations),
      checkpoint: () => undefined,
    });
    serveArtifacts(context);
    closers.push(mesh.joinProject(project));
    watch.start();
    const running = keeper.run().catch((error) => {
      void closeAll().finally(() => options.onFailure(error));
    });
    closers.push(async () => {
      stop.abort();
      await running;
    });
    void keeper.announceAgain();
    const recheck = () => keeper.recheck().catch((error) => tell('warn', 'store', messageOf(error)));
    void recheck();
    every(clock, artifactLimits.scrubSeconds * 1000, () => void recheck());
    const holders = () => watch.controllers.map(({ id }) => id);
    closers.push(
      startBlockCollection({
        store,
        tell,
        repair: (trees, signal) => repairTrees({ mesh, store, tell, holders }, trees, signal),
      }),
    );
    const kept = () => {
      const all = [...context.ledger.trees.values()];
      return { trees: all.length, bytes: all.reduce((sum, { bytes }) => sum + bytes, 0) };
    };
    if (options.metrics !== undefined) {
      const { meterStore } = await import('./metrics.ts');
      meterStore(options.metrics, { mesh, store, kept, quotaBytes: retention.quotaBytes });
    }
    return {
      id: key.id,
      project,
      addresses: () => mesh.addresses(),
      health: {
        live: [],
        ready: [
          meshCheck(mesh),
          {
            name: 'charter',
            trouble: () =>
              watch.charter === undefined ? 'no charter of the project was found yet' : undefined,
          },
        ],
      },
      view: storeView(context, watch, revocations),
      get kept() {
        return kept();
      },
      close: closeAll,
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

function homeInUse(dir: string, cause: unknown): QuorateError {
  return new QuorateError('HOME_IN_USE', `another node runs from ${dir}`, {
    hint: 'A home has one key, and a key is one node of the network. Run this one from a home of its own: quorate store serve --home <folder>',
    cause,
  });
}
