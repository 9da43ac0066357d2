import { messageOf } from '../../protocol/base/errors.ts';
import type { Charter, Verified } from '../../protocol/documents/index.ts';
import { ask, openCharter } from '../../protocol/sessions/ask.ts';
import { searchCharters } from '../../protocol/sessions/charter-search.ts';
import type { Accepts, Clock, Dial, PeerAddress, Signing, Tell } from '../../protocol/sessions/ports.ts';
import type { Learned, RevocationBook } from '../../protocol/sessions/revocation-book.ts';
import { requestRevocations } from '../../protocol/sessions/revocation-exchange.ts';
import { pause, spread } from '../../protocol/sessions/timing.ts';
import {
  decodeMessage,
  revocationListSchema,
  type VerdictNotice,
  verdictNoticeSchema,
} from '../../protocol/wire/messages.ts';
import { topics } from '../../protocol/wire/protocols.ts';
import type { RunSummary } from '../../protocol/wire/runs.ts';

/** A verdict that was heard of. Nothing of it is proven. */
export interface VerdictHint {
  /** Id of the request. */
  run: string;
  /** CID of what was built. */
  tree: string;
  level: 'agreed' | 'trusted';
}

export interface WatchPorts {
  readonly project: string;
  readonly signing: Signing;
  readonly clock: Clock;
  readonly dial: Dial;
  readonly revocations: RevocationBook;
  /** Controllers by their addresses, as far as they are known from outside. */
  readonly known: readonly PeerAddress[];
  /** Hears a gossip topic. A message that `accepts` refuses is neither handled nor passed on. */
  subscribe(topic: string, accepts: Accepts, handle: (data: Uint8Array) => void): void;
  /** Peers that say they belong to the project; none where nobody is found. */
  findMembers(timeoutMs: number): Promise<PeerAddress[]>;
  saveCharter(raw: string): Promise<void>;
  verdict(hint: VerdictHint): void;
  /** Revocations, or evidence against the log, were learned. */
  revoked(): void;
  tell: Tell;
}

/** Between two lists of verdicts: gossip repeats nothing, and misses who is not connected. */
const listMs = 120_000;
const retryMsMin = 1_000;
const retryMsMax = 60_000;
const findMsMax = 5_000;

/** Follows a project without belonging to it: its charter, its revocations, and the verdicts that its controllers tell of or list. */
export class ProjectWatch {
  readonly #ports: WatchPorts;
  #charter: Verified<Charter> | undefined;
  #members: PeerAddress[] = [];
  #reached = false;

  constructor(ports: WatchPorts) {
    this.#ports = ports;
  }

  get charter(): Verified<Charter> | undefined {
    return this.#charter;
  }

  /** Why nothing is learned at the moment; null while a controller answers. */
  get trouble(): string | null {
    return this.#reached ? null : 'no controller of the project answers';
  }

  /** The controllers that the charter names, or those known from outside before there is one. */
  get controllers(): PeerAddress[] {
    const { known } = this.#ports;
    if (this.#charter === undefined) return [...known];
    const addrsOf = (id: string) =>
      [...known, ...this.#members].filter((peer) => peer.id === id).flatMap(({ addrs }) => addrs);
    return this.#charter.payload.controllers.map((id) => ({ id, addrs: [...new Set(addrsOf(id))] }));
  }

  isController(peer: string): boolean {
    return this.#charter?.payload.controllers.includes(peer) === true;
  }

  /** Takes a charter of a higher epoch that the root key signed; an older one is ignored. @throws CHARTER_ISSUER_MISMATCH, DOC_… */
  async learnCharter(raw: string): Promise<void> {
    const { project, signing, saveCharter } = this.#ports;
    if (raw === this.#charter?.raw) return;
    const learned = await openCharter(raw, project, signing.documents);
    if (learned.payload.epoch <= (this.#charter?.payload.epoch ?? Number.NEGATIVE_INFINITY)) return;
    this.#charter = learned;
    await saveCharter(raw);
  }

  start(): void {
    const { project, subscribe } = this.#ports;
    const accepts = (author: string) => (this.#charter === undefined ? 'ignore' : this.isController(author));
    subscribe(topics.verdicts(project), accepts, (data) =>
      this.#orTell('verdict', async () =>
        this.#verdict(decodeMessage(data, verdictNoticeSchema, 'a verdict notice')),
      ),
    );
    subscribe(topics.revocations(project), accepts, (data) =>
      this.#orTell(
        'revocation',
        async () =>
          void (await this.#learn(decodeMessage(data, revocationListSchema, 'a notice of revocations'))),
      ),
    );
    void this.#run();
  }

  #verdict({ request, artifact, level, revoked }: VerdictNotice): void {
    if (artifact === null || revoked !== undefined || (level !== 'agreed' && level !== 'trusted')) return;
    this.#ports.verdict({ run: request, tree: artifact, level });
  }

  #listed({ run, artifact, reports, level, revoked }: RunSummary): void {
    const tree = artifact ?? reports ?? null;
    if (tree === null || revoked !== undefined || (level !== 'agreed' && level !== 'trusted')) return;
    this.#ports.verdict({ run, tree, level });
  }

  async #learn(list: Parameters<RevocationBook['learn']>[0]): Promise<Learned> {
    const { revocations, revoked, clock } = this.#ports;
    const learned = await revocations.learn(list, clock.now());
    if (learned.fresh.length + learned.found.length + learned.unread > 0) revoked();
    return learned;
  }

  async #run(): Promise<void> {
    const { clock, signing, tell } = this.#ports;
    let wait = retryMsMin;
    while (!clock.closing) {
      try {
        await this.#ask();
        if (!this.#reached) tell('info', 'connected', 'a controller of the project answers');
        this.#reached = true;
        wait = listMs;
      } catch (error) {
        if (clock.closing) return;
        if (this.#reached || wait === retryMsMin)
          tell('warn', 'unreached', `no controller answers, trying again: ${messageOf(error)}`);
        this.#reached = false;
        wait = Math.min(retryMsMax, wait === listMs ? retryMsMin : wait * 2);
      }
      await pause(clock, wait * spread(signing));
    }
  }

  async #ask(): Promise<void> {
    const { dial } = this.#ports;
    await this.#catchUp();
    const { answer } = await ask(dial, this.controllers, { kind: 'jobs' });
    if (answer.kind === 'jobs') for (const job of answer.jobs) if (job !== null) this.#listed(job);
    for (const controller of this.controllers) {
      await requestRevocations(dial, controller, (page) => this.#learn(page)).catch(() => undefined);
    }
  }

  /** Asks for the charter: controllers that are known, else whoever is at their addresses, and members. */
  async #catchUp(): Promise<void> {
    const { dial, findMembers, tell } = this.#ports;
    try {
      const { answer } = await ask(dial, this.controllers, { kind: 'charter' });
      if (answer.kind === 'charter') return await this.learnCharter(answer.charter);
    } catch {
      // The controller may have another key or address by now.
    }
    this.#members = await findMembers(findMsMax);
    for (const raw of await searchCharters(dial, this.controllers, this.#members))
      await this.learnCharter(raw).catch((error) =>
        tell('warn', 'charter', `a charter was not taken: ${messageOf(error)}`),
      );
  }

  #orTell(what: string, work: () => Promise<void>): void {
    const { clock, tell } = this.#ports;
    work().catch((error) => {
      if (!clock.closing) tell('warn', what, `a notice was ignored: ${messageOf(error)}`);
    });
  }
}
