import { join } from 'node:path';
import { openMesh, type PeerAddress } from '../../mesh/index.ts';
import { startBlockCollection } from '../../node/artifacts/block-collection.ts';
import { openBundles, serveBundles } from '../../node/artifacts/bundles.ts';
import { artifactLimits } from '../../node/artifacts/limits.ts';
import { membersOf } from '../../node/artifacts/members.ts';
import { publicTrees } from '../../node/artifacts/public-trees.ts';
import { repairTrees } from '../../node/artifacts/repair.ts';
import { serveRevocations } from '../../node/artifacts/revocations.ts';
import { serveArtifacts } from '../../node/artifacts/transfer.ts';
import { readOptional, writeAtomic } from '../../node/files.ts';
import { warnWhenFull } from '../../node/full-warning.ts';
import { type HealthChecks, meshCheck } from '../../node/health.ts';
import { type NodePorts, openNode } from '../../node/kernel/open-node.ts';
import type { Home } from '../../node/membership/home.ts';
import { meshDial, meshTopics, signingOf } from '../../node/ports.ts';
import { messageOf } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { type RevocationBook, withEvidence } from '../../protocol/sessions/revocation-book.ts';
import { knownIn } from '../../protocol/sessions/revocation-exchange.ts';
import { every } from '../../protocol/sessions/timing.ts';
import { topics } from '../../protocol/wire/protocols.ts';
import type { Retention } from '../machine/plan.ts';
import { pinServer } from '../sessions/pin-server.ts';
import { ProjectWatch } from '../sessions/project-watch.ts';
import { AskedTrees } from './asked.ts';
import type { StoreContext } from './context.ts';
import { StoreKeeper } from './keeper.ts';
import { Ledger, type LedgerEntry } from './ledger.ts';
import { storeNodeLimits } from './limits.ts';

export interface StoreOptions extends NodePorts {
  /** Its key, and all that it keeps, are there. */
  home: Home;
  /** PeerId of the project's root key: all that it believes in. */
  project: string;
  listen: string[];
  announce: string[];
  bootstrap: string[];
  controllers: readonly PeerAddress[];
  retention: Retention;
  connections?: number;
}

export type StoreNode = Awaited<ReturnType<typeof startStore>>;

/**
 * An artifact store: follows a project, keeps the trees whose verdicts it proves itself, and serves them. It holds no key of the project.
 * @throws HOME_…, MESH_…, STORE_…, KEY_INVALID
 */
export async function startStore(options: StoreOptions) {
  const { home, project, retention } = options;
  return openNode({ ...options, dir: home.dir }, async (kernel) => {
    const { tell, clock } = kernel;
    const key = await home.key();
    let isController = (_peer: string): boolean => false;
    const mesh = await kernel.use(
      openMesh({
        key: key.seed,
        listen: options.listen,
        announce: options.announce,
        bootstrap: [...options.bootstrap, ...options.controllers.flatMap(({ addrs }) => addrs)],
        peersFile: join(home.dir, 'peers.json'),
        topics: [topics.verdicts(project), topics.revocations(project)],
        maxConnections: options.connections ?? storeNodeLimits.connectionsDefault,
        rankOf: (peer) => (isController(peer) ? 'owner' : 'guest'),
        role: 'node',
      }),
    );
    const store = await kernel.openStore(mesh.libp2p, { node: 'node', command: 'quorate store serve' });
    const revocations = await kernel.openRevocations(project);
    warnWhenFull(mesh, clock, tell);
    const charterFile = join(home.dir, `charter-${project}.jws`);
    const watch = new ProjectWatch({
      project,
      signing: signingOf(key.signer),
      clock,
      dial: meshDial(mesh, kernel.closing),
      revocations,
      known: options.controllers,
      subscribe: meshTopics(mesh),
      findMembers: (timeoutMs) => membersOf(mesh, project, timeoutMs, kernel.closing),
      saveCharter: (raw) => writeAtomic(charterFile, `${raw}\n`),
      verdict: (hint) => keeper.hint(hint),
      revoked: () =>
        void keeper.review().catch((error) => {
          if (!kernel.closing.aborted) tell('warn', 'revocation', messageOf(error));
        }),
      tell,
    });
    isController = (peer) => watch.isController(peer);
    const charter = await readOptional(charterFile);
    if (charter !== undefined)
      await watch.learnCharter(charter.trim()).catch((error) => tell('warn', 'charter', messageOf(error)));
    const bundles = openBundles(join(home.dir, 'bundles'));
    const ledger = await Ledger.open(join(home.dir, `store-${project}.json`));
    const revoked = () => revocations.revoked;
    const signal = kernel.closing;
    const context = { project, mesh, store, bundles, ledger, retention, watch, revoked, tell, signal };
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
    serveRevocations(mesh, { ...knownIn(revocations), checkpoint: () => undefined });
    serveArtifacts(context);
    kernel.onClose(mesh.joinProject(project));
    watch.start();
    const running = keeper.run().catch((error) => kernel.fail(error));
    kernel.onClose(() => running);
    void keeper.announceAgain();
    const recheck = () => keeper.recheck().catch((error) => tell('warn', 'store', messageOf(error)));
    void recheck();
    every(clock, artifactLimits.scrubSeconds * 1000, () => void recheck());
    const holders = () => watch.controllers.map(({ id }) => id);
    kernel.onClose(
      startBlockCollection({
        store,
        tell,
        repair: (trees, signal) => repairTrees({ mesh, store, tell, holders }, trees, signal),
      }),
    );
    const kept = () => {
      const all = [...ledger.trees.values()];
      return { trees: all.length, bytes: all.reduce((sum, { bytes }) => sum + bytes, 0) };
    };
    const withoutCharter = () =>
      watch.charter === undefined ? 'no charter of the project was found yet' : undefined;
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
        ready: [meshCheck(mesh), { name: 'charter', trouble: withoutCharter }],
      } satisfies HealthChecks,
      /** For an HTTP server beside it. */
      view: storeView(context, watch, revocations),
      /** Number of trees that are kept, and their bytes. */
      get kept() {
        return kept();
      },
    };
  });
}

/** The part of a store that anybody may read by HTTP, at the paths of a controller: all of it proves itself, or is a hint. */
export function storeView(
  { project, store, bundles, ledger }: Pick<StoreContext, 'project' | 'store' | 'bundles' | 'ledger'>,
  watch: Pick<ProjectWatch, 'charter'>,
  revocations: Pick<RevocationBook, 'page' | 'evidence'>,
) {
  const kept = (): LedgerEntry[] =>
    [...ledger.entries.values()]
      .filter(({ tree }) => ledger.trees.has(tree))
      .sort((a, b) => b.decidedAt - a.decidedAt);
  return {
    project,
    charter: () => watch.charter?.raw,
    /** A store hands out no work. */
    offers: () => [],
    verdicts: () =>
      kept()
        .slice(0, limits.feedOffersMax)
        .map(({ job, run, level, tree, kind, cosigned }) => ({
          job,
          request: run,
          level,
          artifact: kind === 'test' ? null : tree,
          ...(cosigned === false && { cosigned: false as const }),
        })),
    revocations: (after?: string) => withEvidence(revocations.page(after), revocations.evidence()),
    checkpoint: () => undefined,
    bundle: (which: string) => bundles.get(which),
    bundleBytes: (which: string) => bundles.size(which),
    level(tree: string) {
      const of = ledger.trees.has(tree) ? ledger.of(tree).filter(({ kind }) => kind === 'build') : [];
      if (of.some(({ level }) => level === 'trusted')) return 'trusted' as const;
      return of.length > 0 ? ('agreed' as const) : ('none' as const);
    },
    ...publicTrees(store, (tree) => ledger.trees.has(tree) && ledger.of(tree).length > 0),
  };
}
