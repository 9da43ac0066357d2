import { CID } from 'multiformats/cid';
import { rawCode } from '../../protocol/base/car.ts';
import { indexName } from '../../protocol/lock-formats/index.ts';
import { dependencyLimits } from '../../protocol/lock-formats/limits.ts';
import type { Pin, Store } from '../../store/index.ts';
import type { DependencyRoom } from './dependency-room.ts';

/** The store keeps an index under `index <operator> <bytes> <ms since 1970> <tree>`. */
const pinPrefix = 'index ';

interface Held {
  operator: string;
  bytes: number;
  pin: string;
  /** The pinned roots: the root block of the tree, as bytes without links, and the index that it leads to. */
  roots: string[];
}

/** Indexes of dropped dependencies, which still tell what artifacts were made from. The oldest make room, those of one publisher first. */
export class KeptIndexes {
  readonly #store: Store;
  readonly #room: DependencyRoom;
  /** By tree, in the order in which they were let go of. */
  readonly #held = new Map<string, Held>();

  constructor(store: Store, room: DependencyRoom) {
    this.#store = store;
    this.#room = room;
  }

  /** Takes up what an earlier start kept. */
  takeUp(pins: readonly Pin[]): void {
    const found = new Map<string, { ms: number; tree: string; held: Held }>();
    for (const { root, names } of pins)
      for (const pin of names.filter((name) => name.startsWith(pinPrefix))) {
        const [operator = '', bytes, ms, tree = ''] = pin.slice(pinPrefix.length).split(' ');
        const before = found.get(pin);
        if (before !== undefined) before.held.roots.push(root);
        else
          found.set(pin, {
            ms: Number(ms),
            tree,
            held: { operator, bytes: Number(bytes), pin, roots: [root] },
          });
      }
    const inOrder = [...found.values()].sort((a, b) => a.ms - b.ms);
    for (const { tree, held } of inOrder) this.#held.set(tree, held);
  }

  /** Keeps the index of a tree that is pinned still. A tree in another form than `importDependencies` makes has none. @throws `STORE_…` */
  async keep(tree: string, operator: string, signal: AbortSignal): Promise<void> {
    if (this.#held.has(tree)) return;
    const index = await this.#indexOf(tree, signal);
    if (index === undefined) return;
    const { blocks } = this.#store;
    const root = CID.createV1(rawCode, blocks.parse(tree).multihash).toString();
    const bytes = index.bytes + (blocks.touch(blocks.parse(tree)) ?? 0);
    const pin = `${pinPrefix}${operator} ${bytes} ${Date.now()} ${tree}`;
    const roots = [root, index.cid];
    await this.#store.pin(roots, pin);
    this.#held.set(tree, { operator, bytes, pin, roots });
    await this.#trim(operator);
  }

  /** A publisher brings what it likes: the bytes are counted, whatever the tree says of itself. */
  async #indexOf(tree: string, signal: AbortSignal): Promise<{ cid: string; bytes: number } | undefined> {
    try {
      const entry = await this.#store.resolve(tree, indexName, { signal });
      if (entry?.kind !== 'file') return undefined;
      const { indexBytesMax: maxBytes } = dependencyLimits;
      const { length } = await this.#store.readBytes(entry.cid, { maxBytes, signal });
      return { cid: entry.cid, bytes: length };
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
  }

  async #trim(operator: string): Promise<void> {
    const { publisherIndexBytesMax, publisherIndexesMax, indexBytesMax } = this.#room;
    const own = () => [...this.#held].filter(([, held]) => held.operator === operator);
    while (own().length > publisherIndexesMax || bytesOf(own()) > publisherIndexBytesMax)
      await this.#drop(own()[0]);
    while (bytesOf([...this.#held]) > indexBytesMax) await this.#drop([...this.#held][0]);
  }

  async #drop(oldest: [tree: string, held: Held] | undefined): Promise<void> {
    if (oldest === undefined) return;
    const [tree, { roots, pin }] = oldest;
    this.#held.delete(tree);
    for (const root of roots) await this.#store.unpin(root, pin);
  }
}

const bytesOf = (all: readonly [string, Held][]): number =>
  all.reduce((sum, [, { bytes }]) => sum + bytes, 0);
