import { codeOf, QuorateError } from '../../protocol/base/errors.ts';
import { type Charter, leaves, type Revocation, type Verified } from '../../protocol/documents/index.ts';
import { type OpenedRevocation, openCharterOf } from '../../protocol/judge/index.ts';
import type { Dial, Signing } from '../../protocol/sessions/ports.ts';
import { RevocationBook } from '../../protocol/sessions/revocation-book.ts';
import {
  type HeldLease,
  requestCheckpoint,
  requestHeld,
  requestKeptLeaves,
  requestRevocations,
} from '../../protocol/sessions/revocation-exchange.ts';
import { type Checkpoint, MerkleTree, openCheckpoint } from '../../protocol/transparency/index.ts';
import type { Controller } from '../machine/machine.ts';
import type { ControllerState, EventOf } from '../machine/state.ts';

/** The largest of these numbers, of which there may be more than a function takes arguments; `least` where none is larger. */
function largest(least: number, numbers: Iterable<number>): number {
  let found = least;
  for (const number of numbers) if (number > found) found = number;
  return found;
}

export interface HeldLogPorts {
  readonly project: string;
  readonly signing: Signing;
  readonly machine: Controller;
  readonly dial: Dial;
}

const rotateHint =
  'What this key signed before is not in the journal. Where no trusted worker has it either, give the controller another key: quorate rotate controller.';

/** The log of a controller as its members hold it: what the root key, an identity provider of a charter or this controller signed. */
export class HeldLog {
  readonly #ports: HeldLogPorts;
  /** Checkpoints under this controller's key that are larger than the journal's log, by size: their roots. */
  readonly #shown = new Map<number, string>();
  /** Leaves that acks and offers under this controller's key promise beyond that log, by index. */
  readonly #promised = new Map<number, string>();
  readonly #charters = new Map<string, Verified<Charter>>();
  readonly #revocations = new Map<string, OpenedRevocation>();
  #epoch = 0;
  /** Number of facts so far. */
  facts = 0;
  /** Set once something that was signed does not fit the journal. */
  contradiction: QuorateError | undefined;

  constructor(ports: HeldLogPorts) {
    this.#ports = ports;
  }

  get #state(): ControllerState {
    return this.#ports.machine.state;
  }

  addCharter(charter: Verified<Charter>): void {
    this.#keep(this.#charters, charter.id, charter);
  }

  #keep<Key, Value>(kept: Map<Key, Value>, key: Key, value: Value): void {
    if (kept.has(key)) return;
    kept.set(key, value);
    this.facts++;
  }

  /** The newest charter that is known; undefined before any is. */
  get charter(): Verified<Charter> | undefined {
    let newest = this.#state.charter ?? undefined;
    for (const charter of this.#charters.values())
      if (newest === undefined || charter.payload.epoch > newest.payload.epoch) newest = charter;
    return newest;
  }

  /** Something was signed or promised that the journal does not have. */
  get isAhead(): boolean {
    return this.#shown.size > 0 || this.#promised.size > 0;
  }

  /** Leaves of the largest checkpoint, the journal's own log where none is larger. */
  get size(): number {
    return largest(this.#state.log.size, this.#shown.keys());
  }

  /** Asks a member for all of it; an unknown one not for revocations, of which a stolen key makes any number. @throws of the questions. */
  async ask(id: string, isKnown: boolean): Promise<void> {
    await this.askCheckpoint(id);
    if (isKnown) await this.#askRevocations(id);
    for (const held of await this.#askHeld(id)) await this.#seeLease(id, held);
  }

  /** Asks a member for its charter alone. @throws as above. */
  async askCharter(id: string): Promise<void> {
    await this.#askHeld(id);
  }

  /** Asks a member for its charter, and returns its leases. */
  async #askHeld(id: string): Promise<readonly HeldLease[]> {
    const { dial, project, signing } = this.#ports;
    try {
      const { charter, leases } = await requestHeld(dial, { id, addrs: [] });
      this.addCharter(await openCharterOf(charter, project, signing.documents.verifier));
      return leases;
    } catch (error) {
      // A worker of a version before this question still showed its checkpoint.
      if (codeOf(error) !== 'WIRE_INVALID') throw error;
      return [];
    }
  }

  /** Asks a member for its charter and the revocations that it knows. @throws those of the questions. */
  async askDocuments(id: string): Promise<void> {
    await this.#askRevocations(id);
    await this.#askHeld(id);
  }

  /** Asks a member for the revocations that it knows. @throws as above, `WIRE_INVALID` for more of one key than it may sign. */
  async #askRevocations(id: string): Promise<void> {
    const { dial, project, signing } = this.#ports;
    const book = await RevocationBook.open(project, signing.documents.verifier);
    await requestRevocations(dial, { id, addrs: [] }, async (page) => {
      const { charters, revocations } = page;
      const learned = await book.learn({ charters, revocations });
      if (learned.full.length > 0)
        throw new QuorateError(
          'WIRE_INVALID',
          `the member shows more revocations than ${learned.full[0]} may sign`,
        );
      for (const one of learned.fresh) this.#revocations.set(one.revocation.id, one);
      return learned;
    });
  }

  /** The event that gives the log the documents of its leaves that were withheld; undefined where none of them is known here. */
  get withheld(): EventOf<'recovered'> | undefined {
    const { withheld, log } = this.#state;
    const revocations = [...this.#revocations.values()].filter(({ revocation }) =>
      withheld.has(revocation.id),
    );
    const charters = [...this.#charters.values()].filter(({ id }) => withheld.has(id));
    if (revocations.length + charters.length === 0) return undefined;
    return { kind: 'recovered', from: log.size, leaves: [], charters, revocations, epoch: 0 };
  }

  /** Revocations that are not in the log. */
  get unlogged(): Verified<Revocation>[] {
    const { withheld, revocations } = this.#state;
    const logged = new Set(revocations.map(({ revocation }) => revocation.id));
    const all = [...this.#revocations.values()].map(({ revocation }) => revocation);
    return all.filter(({ id }) => !logged.has(id) && !withheld.has(id));
  }

  /** Asks a member for its newest checkpoint alone. @throws as above. */
  async askCheckpoint(id: string): Promise<void> {
    const { dial } = this.#ports;
    await this.#seeNote((await requestCheckpoint(dial, { id, addrs: [] })).note);
  }

  async #seeNote(note: string | null): Promise<void> {
    if (note === null) return;
    const { project, signing } = this.#ports;
    try {
      const expected = { project, log: signing.signer.id };
      this.see(await openCheckpoint(note, expected, signing.documents.verifier));
    } catch (error) {
      // Of a key that this controller had before, or of none that it ever had.
      if (!codeOf(error).startsWith('CHECKPOINT_')) throw error;
    }
  }

  see({ size, root }: Pick<Checkpoint, 'size' | 'root'>): void {
    const { log } = this.#state;
    const own = size <= log.size ? log.root(size) : (this.#shown.get(size) ?? root);
    if (own !== root)
      this.#contradict(`another log of ${size} leaves was signed with the key of this controller`);
    else if (size > log.size) this.#keep(this.#shown, size, root);
  }

  /** A lease, and what was promised about it; of this controller's key alone: under a key of its own no log contradicts another. */
  async #seeLease(worker: string, held: HeldLease): Promise<void> {
    const { documents, signer: own } = this.#ports.signing;
    const lease = await documents.message('lease', held.lease);
    if (lease.signer !== own.id) return;
    this.#epoch = Math.max(this.#epoch, lease.payload.fence.epoch);
    if (held.offer !== undefined) {
      const offer = await documents.message('offer', held.offer);
      const { index, job, request } = offer.payload;
      if (offer.signer === own.id) this.#promise(index, leaves.offer(offer.id, job, request));
    }
    if (held.ack === undefined) return;
    const ack = await documents.message('ack', held.ack);
    const { aud, index, receipt } = ack.payload;
    if (ack.signer !== own.id || aud !== worker || ack.payload.lease !== lease.id) return;
    this.#promise(index, leaves.receipt(receipt, lease.payload.offer));
  }

  #promise(index: number, leaf: string): void {
    const { log } = this.#state;
    const [known] = index < log.size ? log.leaves(index, index + 1) : [this.#promised.get(index)];
    if (known !== undefined && known !== leaf)
      return this.#contradict(`leaf ${index} was promised to be "${leaf}" and is "${known}"`);
    if (index >= log.size) this.#keep(this.#promised, index, leaf);
  }

  /** @throws `LOG_CONTRADICTED`. */
  throwContradiction(): void {
    if (this.contradiction !== undefined) throw this.contradiction;
  }

  #contradict(says: string): void {
    this.contradiction ??= new QuorateError('LOG_CONTRADICTED', says, { hint: rotateHint });
  }

  /** The leaves that the journal lacks, promised ones too; undefined where no trusted worker has them. @throws `LOG_CONTRADICTED`. */
  async missing(trusted: readonly string[]): Promise<string[] | undefined> {
    const { size } = this;
    const { log } = this.#state;
    const found = size === log.size ? [] : await this.#leavesTo(size, trusted);
    if (found === undefined) return undefined;
    // A larger one was shown meanwhile.
    for (const [at, root] of this.#shown)
      if (at <= size && log.rootWith(log.size, found.slice(0, at - log.size)) !== root)
        this.#contradict(
          `the log of ${size} leaves does not go on from the one of ${at} that was signed as well`,
        );
    for (const [index, leaf] of this.#promised) {
      const there = found[index - log.size];
      if (there !== undefined && there !== leaf)
        this.#contradict(`leaf ${index} was promised to be "${leaf}" and is "${there}"`);
    }
    this.throwContradiction();
    const end = largest(-1, this.#promised.keys()) + 1;
    // A place that nobody was promised, and that no checkpoint covers, is filled: the leaves after it keep theirs.
    for (let at = log.size + found.length; at < end; at++)
      found.push(this.#promised.get(at) ?? leaves.lost(at));
    return found;
  }

  async #leavesTo(size: number, trusted: readonly string[]): Promise<string[] | undefined> {
    const { dial } = this.#ports;
    const { log } = this.#state;
    const root = this.#shown.get(size);
    for (const id of trusted) {
      const peer = { id, addrs: [] };
      const found: string[] = await requestKeptLeaves(dial, peer, { from: log.size, to: size }).catch(
        () => [],
      );
      for (let at = log.size + found.length; at < size; at++) {
        const promised = this.#promised.get(at);
        if (promised === undefined) break;
        found.push(promised);
      }
      if (log.size + found.length < size) continue;
      if (log.rootWith(log.size, found) === root) return found;
      // Either its leaves are not those of the log, or the journal's are not.
      const all = await requestKeptLeaves(dial, peer, { from: 0, to: size }).catch(() => []);
      if (all.length === size && new MerkleTree(all).root() === root)
        this.#contradict(
          `the log of ${size} leaves that was signed does not go on from the journal's ${log.size}`,
        );
      this.throwContradiction();
    }
    return undefined;
  }

  /** The event that gives the journal these leaves; undefined where it lacks nothing. */
  event(missing: string[]): EventOf<'recovered'> | undefined {
    const { log, epoch } = this.#state;
    if (missing.length === 0 && this.#epoch <= epoch) return undefined;
    const ids = new Set(missing.map((leaf) => leaf.split(' ')[1] ?? ''));
    const charters = [...this.#charters.values()].filter(({ id }) => ids.has(id));
    const revocations = [...this.#revocations.values()].filter(({ revocation }) => ids.has(revocation.id));
    return { kind: 'recovered', from: log.size, leaves: missing, charters, revocations, epoch: this.#epoch };
  }
}
