import { codeOf, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { oneByOne } from '../../protocol/base/one-by-one.ts';
import {
  type Ack,
  type EquivocationEvidence,
  encodeEquivocation,
  type Verified,
} from '../../protocol/documents/index.ts';
import { ask, isConnectionError } from '../../protocol/sessions/ask.ts';
import { sessionTimes } from '../../protocol/sessions/limits.ts';
import type { HeldLease } from '../../protocol/sessions/revocation-exchange.ts';
import {
  type Checkpoint,
  openCheckpoint,
  verifyInclusion,
  withoutWitnesses,
} from '../../protocol/transparency/index.ts';
import { revocationAt, revokedUnder, sayRevoked } from '../../protocol/trust/revocations.ts';
import { checkpointNoticeSchema, decodeMessage } from '../../protocol/wire/messages.ts';
import { topics } from '../../protocol/wire/protocols.ts';
import type { LoggedRound } from '../machine/state.ts';
import { type AckPromise, CheckpointBook, goesOn, promisesOf, type Seen } from './checkpoint-book.ts';
import { workerSessionLimits } from './limits.ts';
import { equivocated, evidenceOfLeaves, inconsistent, Uncompared, witnessHint } from './log-comparison.ts';
import type { WorkerPorts } from './ports.ts';
import type { RevocationFeed } from './revocation-feed.ts';
import { LineKeeper, timesOf } from './trusted-lines.ts';

/** The proof of a controller that a checkpoint goes on from the one of `size`. */
export interface Since {
  size: number;
  proof: readonly string[];
}

/**
 * The worker as a witness of the project's log: each checkpoint that it meets anywhere is compared with those before, and
 * only what goes on from them is signed. Each receipt that was acknowledged is looked for in the log.
 */
export class LogWitness {
  readonly #ports: WorkerPorts;
  readonly #revocations: RevocationFeed;
  readonly #book: CheckpointBook;
  readonly #lines: LineKeeper;
  readonly #oneByOne = oneByOne();
  #waiting = 0;
  /** Why the last checkpoint was not witnessed, other than for a connection. */
  #trouble: string | null = null;
  readonly #uncompared = new Uncompared();
  /** Monotonic time when a checkpoint was last compared. */
  #comparedAt = Number.NEGATIVE_INFINITY;
  /** The log key that acknowledged a receipt of a round which is not in its log. */
  #hides: { log: string; says: string } | undefined;
  /** Keeps what a checkpoint is over, before a trusted worker signs it. */
  keepLeaves: (checkpoint: Checkpoint) => Promise<void> = async () => {};
  /** Which member's checkpoints the controller gives no proof for. */
  #unproven: { member: string; says: string } | undefined;

  constructor(ports: WorkerPorts, revocations: RevocationFeed) {
    this.#ports = ports;
    this.#revocations = revocations;
    this.#book = new CheckpointBook(ports.witnessFile);
    this.#lines = new LineKeeper(ports, this.#book);
    revocations.completes = (known) => this.#lines.complete(known);
  }

  /** Reads what it saw before. @throws those of the file. */
  load(): Promise<void> {
    return this.#book.load();
  }

  /** Hears the checkpoints that are gossiped. */
  start(accepts: (author: string) => boolean): void {
    const { clock, credentials, subscribe } = this.#ports;
    subscribe(topics.checkpoints(credentials.membership.project), accepts, (data) => {
      if (clock.monotonic() < this.#comparedAt + sessionTimes.comparedMs) return;
      void this.hear(() => decodeMessage(data, checkpointNoticeSchema, 'a notice of a checkpoint').note);
    });
  }

  /** A fault of the log, for the operator; null while none is known. */
  get trouble(): string | null {
    const known = this.#ports.revocations.equivocationOf(this.#log);
    return known?.proves.says ?? this.#trouble ?? this.#hides?.says ?? this.#unproven?.says ?? null;
  }

  /** True once there is evidence against the log key of the charter in force: nothing is claimed or signed under it. */
  get isVoid(): boolean {
    return this.#ports.revocations.equivocationOf(this.#log) !== undefined;
  }

  /** The newest checkpoint that was checked in this life or, once one was, before. */
  get newest(): string | undefined {
    return this.#book.newest(this.#log)?.note;
  }

  /** Acks whose receipts were not found under a checkpoint yet. */
  get promises(): readonly AckPromise[] {
    return this.#book.promises;
  }

  get #log(): string {
    return this.#ports.credentials.charter.log;
  }

  /** Checks a checkpoint that came with another message. Never rejects: a fault is logged. */
  async hear(note: () => string): Promise<void> {
    if (this.#isBusy) return;
    await this.#orTell(() => this.see(note()));
  }

  /**
   * Checks a checkpoint that a member was shown, as `hear` does. Where a connected controller gives no proof for those of a member
   * for ten minutes, a warning is logged: withholding is the only sign that it shows the two of them different logs.
   */
  async hearFrom(member: string, note: string): Promise<void> {
    if (this.#isBusy) return;
    const { clock, tell } = this.#ports;
    try {
      await this.#book.load();
      // There is no checkpoint to compare with. The first is taken from the controller only: a neighbour may be a thief of its log key.
      if (this.newest === undefined) return;
      await this.see(note);
    } catch (error) {
      if (!isConnectionError(error)) return this.#orTell(() => Promise.reject(error));
      if (!this.#uncompared.failed(member, clock.monotonic()) || this.#unproven !== undefined) return;
      const says = `the controller does not show that what it told ${member} of the log and what it told this worker are one log: ${messageOf(error)}`;
      this.#unproven = { member, says };
      return tell('warn', 'checkpoint', says, { code: 'LOG_INCONSISTENT' });
    }
    this.#uncompared.compared(member);
    if (this.#unproven?.member === member) this.#unproven = undefined;
  }

  /** The same of one that the controller sent, with its proof; `answer` gets the line for it where it is the newest. */
  async witness(note: string, answer: (size: number, line: string) => void, since?: Since): Promise<void> {
    this.#uncompared.heard(this.#ports.clock.monotonic());
    if (this.#isBusy) return;
    await this.#orTell(() =>
      this.#inTurn(async () => {
        const checkpoint = await this.#seen(note, since);
        const { size } = checkpoint;
        if (size === this.#book.newest(this.#log)?.size) answer(size, await this.#line(checkpoint, note));
      }),
    );
  }

  /**
   * Compares a checkpoint with those before, and keeps it; where the larger one is not known to go on from the smaller one,
   * the controller is asked for the proof. @throws `LOG_EQUIVOCATED`, `LOG_FORKED`, `LOG_INCONSISTENT`, `CHECKPOINT_…`, `HOME_…`,
   * those of `ask`.
   */
  see(note: string): Promise<Checkpoint> {
    return this.#inTurn(() => this.#seen(note));
  }

  async #seen(note: string, since?: Since): Promise<Checkpoint> {
    const log = this.#log;
    try {
      const checkpoint = await this.#compareAndKeep(note, since);
      await this.#lookForPromises(log);
      this.#trouble = null;
      return checkpoint;
    } catch (error) {
      if (['LOG_FORKED', 'LOG_INCONSISTENT'].includes(codeOf(error))) this.#trouble = messageOf(error);
      throw error;
    }
  }

  /**
   * This worker's line for a checkpoint, with the time of now or of when a larger one became known. A checkpoint that was
   * compared before may have been dropped for others since, and is compared again.
   * @throws those of `see`.
   */
  sign(note: string): Promise<string> {
    return this.#inTurn(async () => this.#line(await this.#compareAndKeep(note), note));
  }

  async #line(checkpoint: Checkpoint, note: string): Promise<string> {
    const { credentials, signing } = this.#ports;
    if (credentials.charter.trusted.includes(signing.signer.id)) await this.keepLeaves(checkpoint);
    return this.#lines.sign(this.#log, note);
  }

  #open(note: string): Promise<Checkpoint> {
    const { credentials, signing } = this.#ports;
    const { project } = credentials.membership;
    const expected = { project, log: this.#log };
    return openCheckpoint(withoutWitnesses(note), expected, signing.documents.verifier);
  }

  async #compareAndKeep(given: string, since?: Since): Promise<Checkpoint> {
    const log = this.#log;
    const known = this.#ports.revocations.equivocationOf(log);
    if (known?.proves.lines === 2) throw equivocated(known);
    if (this.#hides?.log === log)
      throw new QuorateError('ACK_NOT_IN_LOG', this.#hides.says, { hint: witnessHint });
    await this.#book.load();
    const checkpoint = await this.#open(given);
    const { size, root } = checkpoint;
    this.#checkNotRevoked(size);
    const note = await this.#lines.only(given);
    const seen: Seen = { size, root, note };
    const newest = this.#book.newest(log);
    const same = this.#book.at(log, size);
    if (same !== undefined && same.root !== root) {
      const forked = await this.#forked(size, same.note, note);
      throw known === undefined ? forked : equivocated(known);
    }
    const hasMore = this.#lines.add(log, note);
    if (known !== undefined) {
      // Under a void log nothing is kept or signed; lines that others saw may complete the evidence.
      if (hasMore) await this.#revocations.strengthen(known);
      throw equivocated(known);
    }
    if (newest !== undefined && same === undefined) {
      const [smaller = seen, larger = seen] = [seen, newest].sort((a, b) => a.size - b.size);
      const proof = since?.size === smaller.size ? since.proof : undefined;
      if (proof === undefined || larger !== seen || !goesOn(smaller, larger, proof))
        await this.#prove(smaller, larger);
    }
    if (same === undefined) await this.#book.keep(log, seen, timesOf(this.#ports.clock));
    this.#comparedAt = this.#ports.clock.monotonic();
    return checkpoint;
  }

  /** @throws `LOG_FORKED`, `LOG_INCONSISTENT`, those of `ask`. */
  async #prove(smaller: Seen, larger: Seen): Promise<void> {
    const { credentials, dial } = this.#ports;
    const sizes = `${smaller.size} and ${larger.size} entries`;
    const question = { kind: 'checkpoint', old: smaller.size, size: larger.size } as const;
    const { answer } = await ask(dial, credentials.membership.controllers, question).catch((error) => {
      throw codeOf(error) === 'LOG_OUT_OF_RANGE' ? inconsistent(sizes, 'has fewer than it signed') : error;
    });
    if (answer.kind !== 'checkpoint') throw inconsistent(sizes, `answers "${answer.kind}"`);
    const shown = await this.#open(answer.note);
    if (shown.size === larger.size && shown.root !== larger.root)
      throw await this.#forked(larger.size, larger.note, await this.#lines.only(answer.note));
    if (goesOn(smaller, larger, answer.proof)) return;
    await this.#askAgain(smaller);
    throw inconsistent(sizes, 'gives no proof that holds');
  }

  /** Asks for the controller's present checkpoint of a size: another root than it signed before is evidence. @throws `LOG_FORKED`. */
  async #askAgain({ size, root, note }: Seen): Promise<void> {
    const { credentials, dial } = this.#ports;
    const question = { kind: 'checkpoint', old: size, size } as const;
    const asked = await ask(dial, credentials.membership.controllers, question).catch(() => undefined);
    if (asked?.answer.kind !== 'checkpoint') return;
    const again = asked.answer.note;
    const shown = await this.#open(again);
    if (shown.size === size && shown.root !== root)
      throw await this.#forked(size, note, await this.#lines.only(again));
  }

  /**
   * Keeps an ack as a promise until its receipt and its round were found in the log: readers of the log look for a receipt under
   * its request only. `held`: its lease, for a controller that starts from an older copy. Never rejects.
   */
  async promised(ack: Verified<Ack>, round: LoggedRound, held?: Omit<HeldLease, 'ack'>): Promise<void> {
    const promises = promisesOf(ack, round, this.#ports.clock.now(), held);
    await this.#orTell(() =>
      this.#inTurn(async () => {
        await this.#book.load();
        for (const dropped of await this.#book.promise(promises)) this.#tellOverdue(dropped);
      }),
    );
  }

  /** Looks for acknowledged receipts under the newest checkpoint. A connection that fails is tried with the next one. */
  async #lookForPromises(log: string): Promise<void> {
    const { clock } = this.#ports;
    const newest = this.#book.newest(log);
    if (newest === undefined) return;
    const done: AckPromise[] = [];
    for (const promise of this.#book.promises) {
      const covered = promise.index < newest.size;
      try {
        if (covered && (await this.#isIncluded(promise, newest))) {
          done.push(promise);
          continue;
        }
      } catch (error) {
        if (isConnectionError(error)) break;
      }
      if (clock.now() - promise.at <= sessionTimes.promiseMs) continue;
      this.#tellOverdue(promise);
      done.push(promise);
    }
    this.#book.settle(done);
  }

  /** Another leaf in its place is evidence; there is nothing more to wait for. */
  async #isIncluded({ ack, index, leaf }: AckPromise, { size, root, note }: Seen): Promise<boolean> {
    const { credentials, dial } = this.#ports;
    const { controllers } = credentials.membership;
    const { answer } = await ask(dial, controllers, { kind: 'inclusion', index, size });
    if (answer.kind !== 'inclusion') return false;
    const { leaf: shown, proof: path } = answer;
    if (!verifyInclusion({ leaf: shown, index, size, root, path })) return false;
    if (shown === leaf) return true;
    // Of two keys one cannot be held to what the other promised.
    const { signer } = await this.#ports.signing.documents.message('ack', ack);
    if (signer !== this.#log) return false;
    // An ack names no offer, so that this proves nothing to others. This worker signs nothing of that log in this life.
    if (!leaf.startsWith('receipt ')) {
      this.#hides = { log: signer, says: this.#tellOverdue({ index, leaf }, shown) };
      return true;
    }
    const entry = { checkpoint: note, leaf: shown, path };
    return this.#evidence((charter) => ({ v: 1, kind: 'ack', charter, ack, entry }));
  }

  /** Compares leaves under a checkpoint that does not fit with those that were kept under one that was seen. */
  async compare(note: string, kept: readonly string[], shown: readonly string[]): Promise<void> {
    const { size, root } = await this.#open(note);
    const before = this.#book.largest(this.#log, kept.length);
    if (before === undefined) return;
    const first = { ...before, leaves: kept.slice(0, before.size) };
    const second = { note: await this.#lines.only(note), size, root, leaves: shown };
    const { charter } = this.#ports.credentials.membership;
    const evidence = evidenceOfLeaves(charter, first, second);
    if (evidence !== undefined) await this.#revocations.found(encodeEquivocation(evidence));
  }

  /** Refuses a log key that the root revoked. @throws `KEY_REVOKED`. */
  #checkNotRevoked(size: number): void {
    const { credentials, revocations } = this.#ports;
    const counting = revokedUnder(revocations.revoked, credentials.charter);
    const revoked = revocationAt(counting, { kind: 'key', id: this.#log }, size - 1);
    if (revoked !== undefined) throw new QuorateError('KEY_REVOKED', sayRevoked(revoked));
  }

  async #forked(size: number, first: string, second: string): Promise<QuorateError> {
    await this.#evidence((charter) => ({ v: 1, kind: 'roots', charter, checkpoints: [first, second] }));
    const says = `the controller signed two logs of ${size} entries that are not the same`;
    return new QuorateError('LOG_FORKED', says, { hint: witnessHint });
  }

  /** Keeps evidence under the charter in force, and tells everybody. Returns whether it holds. */
  async #evidence(make: (charter: string) => EquivocationEvidence): Promise<boolean> {
    const { charter } = this.#ports.credentials.membership;
    return this.#revocations.found(encodeEquivocation(make(charter)));
  }

  #tellOverdue({ index, leaf }: Pick<AckPromise, 'index' | 'leaf'>, instead?: string): string {
    const shows = instead === undefined ? 'does not show that it is there' : `has "${instead}" there`;
    const says = `the controller acknowledged "${leaf}" as entry ${index} of the log, and ${shows}`;
    this.#ports.tell('warn', 'ack', says, { code: 'ACK_NOT_IN_LOG' });
    return says;
  }

  async #orTell(work: () => Promise<unknown>): Promise<void> {
    const { clock, tell } = this.#ports;
    try {
      await work();
    } catch (error) {
      const code = codeOf(error);
      // There will be another one.
      if (!clock.closing && !isConnectionError(error) && code !== 'LOG_EQUIVOCATED')
        tell('warn', 'checkpoint', `did not witness a checkpoint: ${messageOf(error)}`, { code });
    }
  }

  /** Others will come: those that are heard now are dropped. */
  get #isBusy(): boolean {
    return this.#waiting >= workerSessionLimits.checkpointsWaitingMax;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#waiting++;
    return this.#oneByOne(work).finally(() => {
      this.#waiting--;
    });
  }
}
