import { connectReachable } from '../../node/artifacts/fetch.ts';
import { pullArtifact } from '../../node/artifacts/transfer.ts';
import { codeOf, QuorateError } from '../../protocol/base/errors.ts';
import { sizeText } from '../../protocol/base/quantity.ts';
import { roomForAsked } from '../machine/plan.ts';
import type { PinRequest } from '../sessions/pin-server.ts';
import type { StoreContext } from './context.ts';
import { type StoreKeeper, storePin } from './keeper.ts';
import { storeNodeLimits } from './limits.ts';

/**
 * Keeps trees that a controller asks for before there is a verdict, for `storeNodeLimits.askedSeconds`, beside trusted trees; after that
 * only if a bundle proves it.
 */
export class AskedTrees {
  readonly #context: StoreContext;
  readonly #keeper: Pick<StoreKeeper, 'inTurn' | 'apply'>;
  /** Bytes that requests under way may take, by tree. */
  readonly #reserved = new Map<string, number>();

  constructor(context: StoreContext, keeper: Pick<StoreKeeper, 'inTurn' | 'apply'>) {
    this.#context = context;
    this.#keeper = keeper;
  }

  /** Returns until when it is kept, in milliseconds since the epoch. @throws STORE_QUOTA, TRANSFER_…, STORE_… */
  async pin({ run, tree, maxBytes, from }: PinRequest): Promise<{ until: number }> {
    const { mesh, store, tell, signal } = this.#context;
    const room = this.#roomFor(tree);
    const reserved = Math.min(maxBytes, room);
    this.#reserved.set(tree, Math.max(reserved, this.#reserved.get(tree) ?? 0));
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(storeNodeLimits.fetchSecondsMax * 1000)]);
      const here = await store.has(tree);
      const peers = here ? [] : await connectReachable(mesh, [...from]);
      const options = { from: peers, signal: limit, maxBytes: reserved };
      const { bytes } = await pullArtifact({ mesh, store }, tree, options);
      const until = await this.#hold(tree, bytes);
      tell('info', 'held', `holds ${tree} for the controller: ${sizeText(bytes)}`, { run, tree, bytes });
      await this.#keeper.apply();
      return { until };
    } catch (error) {
      if (codeOf(error) === 'STORE_TREE_TOO_LARGE' && reserved < maxBytes) throw noRoom(room, error);
      throw error;
    } finally {
      this.#reserved.delete(tree);
    }
  }

  #roomFor(tree: string): number {
    const { ledger, retention } = this.#context;
    const known = ledger.known;
    const own = ledger.asked.has(tree) ? (known.bytes.get(tree) ?? 0) : 0;
    const others = [...this.#reserved].filter(([other]) => other !== tree);
    const reserved = others.reduce((sum, [, bytes]) => sum + bytes, 0);
    const room = roomForAsked(known, retention, Date.now()) + own - reserved;
    if (room <= 0) throw noRoom(Math.max(0, room));
    return room;
  }

  #hold(tree: string, bytes: number): Promise<number> {
    return this.#keeper.inTurn(async () => {
      const { store, ledger } = this.#context;
      await store.pin([tree], storePin);
      const until = Date.now() + storeNodeLimits.askedSeconds * 1000;
      ledger.trees.set(tree, ledger.trees.get(tree) ?? { bytes, beside: [] });
      ledger.asked.set(tree, until);
      await ledger.save();
      return until;
    });
  }
}

const noRoom = (room: number, cause?: unknown): QuorateError =>
  new QuorateError(
    'STORE_QUOTA',
    `the store has room for ${sizeText(room)} beside trusted artifacts, and the tree is larger`,
    { hint: 'Its operator can raise --quota, or keep older artifacts for a shorter time: --keep.', cause },
  );
