import type { z } from 'zod';
import { tellAlarm } from '../../protocol/account/index.ts';
import { messageOf } from '../../protocol/base/errors.ts';
import type { RevocationList } from '../../protocol/judge/index.ts';
import { ask } from '../../protocol/sessions/ask.ts';
import type { Accepts } from '../../protocol/sessions/ports.ts';
import type { KnownEquivocation, Learned } from '../../protocol/sessions/revocation-book.ts';
import { requestLeaves, requestRevocations } from '../../protocol/sessions/revocation-exchange.ts';
import { revokedBy, sayFull, sayRevoked } from '../../protocol/trust/index.ts';
import {
  decodeMessage,
  encodeMessage,
  equivocationNoticeSchema,
  revocationListSchema,
} from '../../protocol/wire/messages.ts';
import { topics } from '../../protocol/wire/protocols.ts';
import type { WorkerPorts } from './ports.ts';

/** Answers of a controller to a key that may not work any more. */
const expelledCodes: ReadonlySet<string> = new Set([
  'KEY_REVOKED',
  'OPERATOR_REVOKED',
  'TRUSTED_KEY_NOT_IN_CHARTER',
]);

/** Whether a refusal with this code stays, until the owner admits the operator or names the key again. */
export const isExpelled = (code: string): boolean => expelledCodes.has(code);

/** Evidence by gossip that is looked at in a minute: six signatures each and those of lines of trusted workers, of everybody together and of one author. */
const evidencePerMinute = 30;
const evidencePerAuthor = 3;
const minuteMs = 60_000;

/** Revocations come by gossip, from the controller, and by HTTP. Evidence against the log goes on to everybody. */
export class RevocationFeed {
  readonly #ports: WorkerPorts;
  /** How many the controller had when it was last asked, in this life. */
  #told = 0;
  /** Keys of which no more is taken. */
  readonly #full = new Set<string>();
  /** Evidence looked at in this minute, by author. */
  readonly #looked = new Map<string, number>();
  #minuteEnds = Number.NEGATIVE_INFINITY;
  /** Evidence with lines of trusted workers that are known here beside it, where that says more. Set by who keeps them. */
  completes: (known: KnownEquivocation) => Promise<string | undefined> = async () => undefined;

  constructor(ports: WorkerPorts) {
    this.#ports = ports;
  }

  start(accepts: (author: string) => boolean): void {
    const { credentials, subscribe } = this.#ports;
    const { project } = credentials.membership;
    subscribe(topics.revocations(project), accepts, (data) => {
      const list = () => decodeMessage(data, revocationListSchema, 'a notice of a revocation');
      void this.#orTell(async () => void (await this.learn(list())));
    });
    // From anybody: it proves itself, and is passed on only once it was checked.
    subscribe(
      topics.equivocations(project),
      (author, data) => this.#judge(author, data),
      () => {},
    );
    // Those to whom it was told before may not have been there.
    for (const known of this.#ports.revocations.equivocations) {
      this.#tellOf(known);
      void this.#orTell(() => this.#pass(known));
    }
  }

  /** The controller says how many there are. */
  async heard(count: number): Promise<void> {
    if (count <= this.#told) return;
    await this.#orTell(async () => {
      await this.ask();
      this.#told = count;
    });
  }

  /** Asks the controller for all of them. @throws `CONTROLLER_UNREACHABLE`, `MESH_…`, `WIRE_INVALID`. */
  async ask(): Promise<void> {
    const { credentials, dial, clock } = this.#ports;
    await requestRevocations(dial, credentials.controller, (page) => this.learn(page, clock.now()));
  }

  /** Asks the controller for those in the log with these ids, also where they count no more: then they are known. @throws as above. */
  async askFor(ids: readonly string[]): Promise<void> {
    const { credentials, dial, revocations } = this.#ports;
    await requestLeaves(dial, credentials.controller, revocations, ids);
  }

  async learn(list: RevocationList, askedAt?: number): Promise<Learned> {
    const learned = await this.#learn(list, askedAt);
    for (const known of learned.found) await this.#pass(known);
    return learned;
  }

  /** Evidence that this worker made. Returns whether it holds. */
  async found(equivocation: string): Promise<boolean> {
    const { refused } = await this.learn({ charters: [], revocations: [], equivocations: [equivocation] });
    return refused.length === 0;
  }

  /** Makes evidence stronger with what is known here, and tells everybody where that is more. */
  async strengthen(known: KnownEquivocation): Promise<boolean> {
    const stronger = await this.completes(known);
    if (stronger !== undefined) await this.found(stronger);
    return stronger !== undefined;
  }

  async #pass(known: KnownEquivocation): Promise<void> {
    if (!(await this.strengthen(known))) this.#spread(known);
  }

  async #learn(list: RevocationList, askedAt?: number): Promise<Learned> {
    const { revocations, tell } = this.#ports;
    const learned = await revocations.learn(list, askedAt);
    const { fresh, found, refused, full } = learned;
    for (const { revocation } of fresh)
      tell('warn', 'revoked', sayRevoked(revokedBy(revocation)), { revocation: revocation.id });
    for (const known of found) this.#tellOf(known);
    const [why] = refused;
    if (why !== undefined) tell('warn', 'revocation', `a revocation was ignored: ${why.message}`);
    for (const key of full) this.#tellFull(key);
    return learned;
  }

  /** Once for each key, in this life. */
  #tellFull(key: string): void {
    if (this.#full.has(key)) return;
    this.#full.add(key);
    const says = `${sayFull(key)}. Tell the owner of the project`;
    tellAlarm(this.#ports.tell, 'revocations-full', says, { code: 'REVOCATIONS_FULL', key });
  }

  #tellOf({ proves }: KnownEquivocation): void {
    const says = `no job is taken under that log: ${proves.says}. The evidence is in revocations/ of the home folder; show it to the owner of the project`;
    tellAlarm(this.#ports.tell, 'equivocated', says, { code: 'LOG_EQUIVOCATED', log: proves.log });
  }

  /** To the other members, and to the owner by the controller. Either may fail: whoever asks is told as well. */
  #spread({ raw }: KnownEquivocation): void {
    const { credentials, dial, publish } = this.#ports;
    const { project, controllers } = credentials.membership;
    const notice = { equivocation: raw };
    publish(topics.equivocations(project), encodeMessage(notice)).catch(() => {});
    ask(dial, controllers, { kind: 'equivocation', ...notice }).catch(() => {});
  }

  /** Of gossiped evidence: only what is new and holds is passed on. */
  async #judge(author: string, data: Uint8Array): Promise<Awaited<ReturnType<Accepts>>> {
    const { credentials, revocations } = this.#ports;
    if (revocations.equivocationOf(credentials.charter.log)?.proves.lines === 2) return 'ignore';
    if (!this.#hasTurn(author)) return 'ignore';
    let notice: z.infer<typeof equivocationNoticeSchema>;
    try {
      notice = decodeMessage(data, equivocationNoticeSchema, 'a notice of evidence');
    } catch {
      return false;
    }
    try {
      const list = { charters: [], revocations: [], equivocations: [notice.equivocation] };
      const { found, refused } = await this.#learn(list);
      for (const known of found) await this.strengthen(known);
      if (refused.length > 0) return false;
      if (found.length === 0) return 'ignore';
      if (holdsNothingElse(data, notice)) return true;
      // Anybody may add to it what nobody checks: it goes on without.
      for (const known of found) this.#spread(known);
      return 'ignore';
    } catch {
      // It could not be kept here, for which nobody else is to blame.
      return 'ignore';
    }
  }

  #hasTurn(author: string): boolean {
    const now = this.#ports.clock.monotonic();
    if (now >= this.#minuteEnds) {
      this.#looked.clear();
      this.#minuteEnds = now + minuteMs;
    }
    const ofAll = [...this.#looked.values()].reduce((sum, count) => sum + count, 0);
    const ofAuthor = this.#looked.get(author) ?? 0;
    if (ofAll >= evidencePerMinute || ofAuthor >= evidencePerAuthor) return false;
    this.#looked.set(author, ofAuthor + 1);
    return true;
  }

  async #orTell(work: () => Promise<void>): Promise<void> {
    const { clock, tell } = this.#ports;
    await work().catch((error) => {
      if (!clock.closing) tell('warn', 'revocation', `revocations: ${messageOf(error)}`);
    });
  }
}

/** Whether a message, as it was received, has none of the members that its decoder left out. */
function holdsNothingElse(bytes: Uint8Array, decoded: unknown): boolean {
  const known = encodeMessage(decoded);
  return known.length === bytes.length && known.every((byte, n) => byte === bytes[n]);
}
