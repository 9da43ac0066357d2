import { providerOver, pullArtifact } from '../../node/artifacts/transfer.ts';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { sizeText } from '../../protocol/base/quantity.ts';
import type { BroughtTree } from '../sessions/ports.ts';
import type { ControllerContext } from './context.ts';
import { type DependencyRoom, dependencyRoom } from './dependency-room.ts';
import { KeptIndexes } from './kept-indexes.ts';

/** The store keeps trees of dependencies under `dependencies <operator> <bytes> <ms since 1970>`. */
const pinPrefix = 'dependencies ';

interface Held {
  operator: string;
  bytes: number;
  pin: string;
}

/** Dependencies that publishers brought, served like any artifact while there is room or an open run needs them; then their index is kept. */
export class ControllerDependencies {
  readonly #context: ControllerContext;
  readonly #room: DependencyRoom;
  /** By tree, the one asked for longest ago first. What is not in here may be removed at any time. */
  readonly #held = new Map<string, Held>();
  readonly #indexes: KeptIndexes;
  /** Operators whose trees are being fetched, once for each. */
  #bringing: string[] = [];

  constructor(context: ControllerContext, room: DependencyRoom = dependencyRoom) {
    this.#context = context;
    this.#room = room;
    this.#indexes = new KeptIndexes(context.store, room);
  }

  /** Takes up what an earlier start was brought. */
  async takeUp(): Promise<void> {
    const found: [number, string, Held][] = [];
    const pins = await this.#context.store.pins();
    this.#indexes.takeUp(pins);
    for (const { root, names } of pins)
      for (const pin of names.filter((name) => name.startsWith(pinPrefix))) {
        const [operator = '', bytes, ms] = pin.slice(pinPrefix.length).split(' ');
        found.push([Number(ms), root, { operator, bytes: Number(bytes), pin }]);
      }
    for (const [, root, held] of found.sort(([a], [b]) => a - b)) this.#held.set(root, held);
  }

  /** @throws DEPENDENCIES_UNKNOWN */
  need(tree: string): void {
    if (this.#use(tree)) return;
    throw new QuorateError(
      'DEPENDENCIES_UNKNOWN',
      `the controller does not have the dependencies ${tree} of the job`,
      { hint: 'Publish with quorate run, which brings them.' },
    );
  }

  /** @throws DEPENDENCIES_BUSY, DEPENDENCIES_UNAVAILABLE */
  async bring({ tree, from, operator, onProgress }: BroughtTree): Promise<void> {
    // Blocks that a damaged disk lost are fetched again.
    if (this.#use(tree) && (await this.#context.store.has(tree, this.#context.closing))) return;
    const own = this.#bringing.filter((one) => one === operator).length;
    if (own >= this.#room.bringsPerPublisherMax || this.#bringing.length >= this.#room.bringsMax)
      throw new QuorateError(
        'DEPENDENCIES_BUSY',
        `the controller takes in dependencies of ${own} jobs of ${operator}, and of ${this.#bringing.length} in all`,
        { hint: 'Publish again in a moment.' },
      );
    const maxBytes = this.#roomFor(operator);
    if (maxBytes <= 0) throw noRoom(operator);
    this.#bringing.push(operator);
    let [bytes, total]: [number, number | undefined] = [0, undefined];
    const timer = setInterval(() => onProgress(bytes, total), this.#room.progressMs);
    try {
      const pulled = await this.#pull(tree, { from, maxBytes }, (...now) => {
        [bytes, total] = now;
      });
      await this.#keep(tree, operator, pulled);
    } finally {
      clearInterval(timer);
      this.#bringing.splice(this.#bringing.indexOf(operator), 1);
    }
  }

  async #pull(
    tree: string,
    { from, maxBytes }: { from: BroughtTree['from']; maxBytes: number },
    onProgress: (bytes: number, total: number | undefined) => void,
  ): Promise<number> {
    const signal = AbortSignal.any([this.#context.closing, AbortSignal.timeout(this.#room.bringMsMax)]);
    try {
      const options = { from: [providerOver(from)], signal, maxBytes, onProgress };
      return (await pullArtifact(this.#context, tree, options)).bytes;
    } catch (error) {
      this.#context.closing.throwIfAborted();
      throw new QuorateError(
        'DEPENDENCIES_UNAVAILABLE',
        `the dependencies ${tree} did not arrive from their publisher: ${messageOf(error)}`,
        { cause: error, hint: `Of one publisher ${sizeText(maxBytes)} more are taken now.` },
      );
    }
  }

  async #keep(tree: string, operator: string, bytes: number): Promise<void> {
    const { store, tell } = this.#context;
    // Two may have been brought at once.
    if (this.#held.has(tree)) return;
    if (bytes > this.#roomFor(operator)) throw noRoom(operator);
    const pin = `${pinPrefix}${operator} ${bytes} ${Date.now()}`;
    await store.pin([tree], pin);
    this.#held.set(tree, { operator, bytes, pin });
    for (const [root, held] of this.#over(operator)) {
      // From here on no job is taken that needs it.
      this.#held.delete(root);
      await this.#indexes.keep(root, held.operator, this.#context.closing).catch((error: unknown) => {
        // The next life keeps it: the tree stays pinned.
        this.#context.closing.throwIfAborted();
        tell('warn', 'dependencies', `the index of ${root} is not kept: ${messageOf(error)}`, { tree: root });
      });
      await store.unpin(root, held.pin);
    }
    const says = `${operator} brought the dependencies ${tree}, ${sizeText(bytes)}`;
    tell('info', 'dependencies', says, { tree, operator, bytes });
  }

  /** Whether it is here; it counts as used then. */
  #use(tree: string): boolean {
    const held = this.#held.get(tree);
    this.#held.delete(tree);
    // An owner may have the store forget it.
    if (held === undefined || !this.#context.store.pinned(tree)) return false;
    this.#held.set(tree, held);
    return true;
  }

  get #needed(): Set<string | undefined> {
    const open = this.#context.machine.state.index.open.values();
    return new Set([...open].map(({ job }) => job.dependencies?.tree));
  }

  /** Bytes that a tree of an operator may have, when all that no open run needs is let go of. */
  #roomFor(operator: string): number {
    const needed = this.#needed;
    const kept = [...this.#held].flatMap(([root, held]) => (needed.has(root) ? [held] : []));
    const own = kept.filter((held) => held.operator === operator);
    if (own.length >= this.#room.treesPerPublisherMax) return 0;
    return Math.min(
      this.#room.treeBytesMax,
      this.#room.publisherBytesMax - bytesOf(own),
      this.#room.bytesMax - bytesOf(kept),
    );
  }

  /** Trees to drop so that everything is within its bounds again, the one asked for longest ago first; never the newest. */
  #over(operator: string): [string, Held][] {
    const needed = this.#needed;
    const gone = new Map<string, Held>();
    const { bytesMax, publisherBytesMax, treesPerPublisherMax } = this.#room;
    const candidates = [...this.#held].slice(0, -1).filter(([root]) => !needed.has(root));
    for (const [root, held] of candidates) {
      const all = [...this.#held].flatMap(([other, one]) => (gone.has(other) ? [] : [one]));
      const own = all.filter((one) => one.operator === operator);
      const isOver = bytesOf(own) > publisherBytesMax || own.length > treesPerPublisherMax;
      if (bytesOf(all) > bytesMax || (held.operator === operator && isOver)) gone.set(root, held);
    }
    return [...gone];
  }
}

const bytesOf = (all: readonly Held[]): number => all.reduce((sum, { bytes }) => sum + bytes, 0);

const noRoom = (operator: string): QuorateError =>
  new QuorateError(
    'DEPENDENCIES_BUSY',
    `the controller has no more room for dependencies of ${operator}: open jobs need what it has`,
    { hint: 'Publish again when some of them have their verdicts; quorate cancel ends one.' },
  );
