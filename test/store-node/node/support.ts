import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Mesh } from '../../../src/mesh/index.ts';
import { openBundles, serveBundles } from '../../../src/node/artifacts/bundles.ts';
import { serveArtifacts } from '../../../src/node/artifacts/transfer.ts';
import type { NodeEvent } from '../../../src/node/node-events.ts';
import { encodeBundle } from '../../../src/protocol/documents/index.ts';
import type { Revoked } from '../../../src/protocol/trust/index.ts';
import { openStore, type Store } from '../../../src/store/index.ts';
import type { Retention } from '../../../src/store-node/machine/plan.ts';
import type { StoreContext } from '../../../src/store-node/node/context.ts';
import { StoreKeeper } from '../../../src/store-node/node/keeper.ts';
import { Ledger } from '../../../src/store-node/node/ledger.ts';
import { storeNodeLimits } from '../../../src/store-node/node/limits.ts';
import { transferLimits } from '../../../src/transfer/limits.ts';
import { tar } from '../../store/support.ts';
import { loopbackMesh } from '../../support/mesh.ts';
import * as it from '../../support/project.ts';
import { withLimits } from '../../support/with-limits.ts';

export async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-store-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** A node with a store that serves its public area, and bundles as they are put into `bundles`. */
export interface Peer {
  mesh: Mesh;
  store: Store;
  /** By run. */
  bundles: Map<string, string>;
  add(text: string, bytes?: number): Promise<string>;
}

export async function peer(key?: Uint8Array): Promise<Peer> {
  // Blocks that it lacks are asked for again a few times.
  withLimits(transferLimits, { breakAgainMs: 1 });
  const mesh = await loopbackMesh(key);
  const store = await openStore({ dir: await folder(), libp2p: mesh.libp2p });
  onTestFinished(async () => {
    await store.close();
    await mesh.close();
  });
  const bundles = new Map<string, string>();
  serveBundles(mesh, {
    get: async (which) => bundles.get(which),
    size: async (which) => bundles.get(which)?.length,
  });
  serveArtifacts({ mesh, store });
  return {
    mesh,
    store,
    bundles,
    async add(text, bytes = 0) {
      const body = text.padEnd(bytes, `${text}.`);
      const entries = await tar([{ name: 'app', body }]);
      return (await store.importTar(entries, { into: store.public })).root;
    },
  };
}

/** A verdict on a tree, with all its evidence. Its logs are that tree, which is to be had: others are looked for at their workers. */
export async function verdictOn(
  tree: string,
  recipe: it.Recipe = {},
): Promise<{ run: string; text: string }> {
  const outcome = { kind: 'exit' as const, code: 0, artifact: tree };
  const { bundle, request } = await it.makeProject({
    runs: ['ada', 'bob', 'cyd'].map((operator) => ({ operator, outcome })),
    own: { operator: 'owner', slot: 'trusted', outcome },
    // A request of its own for each tree.
    request: (valid) => ({ ...valid, jti: it.nonceOf(tree) }),
    facts: (valid) => ({ ...valid, log: tree }),
    ...recipe,
  });
  return { run: request.id, text: encodeBundle(bundle) };
}

export interface Kept {
  keeper: StoreKeeper;
  context: StoreContext;
  events: NodeEvent[];
  /** Resolves at the first event of this kind, or the `nth`, one that was told already too. */
  told(kind: string, nth?: number): Promise<NodeEvent>;
  revoked: Revoked[];
  roots(): Promise<string[]>;
  /** The error that the keeper ends with, where it is to end with one. */
  ends(): Promise<unknown>;
}

export const keepAll: Retention = { quotaBytes: 2 ** 30, rules: [{ ageMs: null }], latest: 1 };

/** A store that knows these peers as controllers of the project. */
export async function keeping(peers: readonly Peer[], retention = keepAll, dir?: string): Promise<Kept> {
  withLimits(storeNodeLimits, { lookWaitsMs: [10, 20, 200] });
  const home = dir ?? (await folder());
  const mesh = await loopbackMesh();
  const store = await openStore({ dir: join(home, 'store'), libp2p: mesh.libp2p });
  for (const one of peers) await mesh.connect(one.mesh.addresses());
  const events: NodeEvent[] = [];
  const looks = new Set<() => void>();
  const revoked: Revoked[] = [];
  const stop = new AbortController();
  const context: StoreContext = {
    project: it.project,
    mesh,
    store,
    retention,
    bundles: openBundles(join(home, 'bundles')),
    ledger: await Ledger.open(join(home, 'ledger.json')),
    watch: {
      controllers: peers.map((one) => ({ id: one.mesh.id, addrs: one.mesh.addresses() })),
      learnCharter: async () => {},
      isController: (id) => peers.some((one) => one.mesh.id === id),
    },
    revoked: () => revoked,
    tell(level, kind, says, data) {
      events.push({ at: Date.now(), level, kind, says, ...(data === undefined ? {} : { data }) });
      for (const look of [...looks]) look();
    },
    signal: stop.signal,
  };
  const keeper = new StoreKeeper(context);
  await keeper.reconcile();
  const running = keeper.run();
  let toEnd = false;
  onTestFinished(async () => {
    stop.abort();
    await running.catch((error) => {
      if (!toEnd) throw error;
    });
    await store.close();
    await mesh.close();
  });
  return {
    keeper,
    context,
    events,
    revoked,
    told(kind, nth = 1) {
      return new Promise((resolve) => {
        const look = () => {
          const found = events.filter((event) => event.kind === kind)[nth - 1];
          if (found === undefined) return;
          looks.delete(look);
          resolve(found);
        };
        looks.add(look);
        look();
      });
    },
    ends() {
      toEnd = true;
      return running.then(
        () => undefined,
        (error: unknown) => error,
      );
    },
    roots: async () => (await store.pins()).map(({ root }) => root),
  };
}
