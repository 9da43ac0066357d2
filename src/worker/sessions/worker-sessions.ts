import { messageOf, unreachable } from '../../protocol/base/errors.ts';
import type { Claim } from '../../protocol/documents/index.ts';
import { sessionTimes } from '../../protocol/sessions/limits.ts';
import {
  type HeldLease,
  type Known,
  requestCheckpoint,
} from '../../protocol/sessions/revocation-exchange.ts';
import { every, spread } from '../../protocol/sessions/timing.ts';
import { wireLimits } from '../../protocol/wire/limits.ts';
import { workerOlder } from '../../protocol/wire/pass-reason.ts';
import { claimOf } from '../machine/claim.ts';
import type { WorkerEffect, WorkerEvent } from '../machine/events.ts';
import { AnswerSigner } from './answer-signer.ts';
import { leasesIn } from './checkpoint-book.ts';
import { Cosigner } from './cosigner.ts';
import { DraftChecks } from './draft-checks.ts';
import { GrantRenewal } from './grant-renewal.ts';
import type { HttpFeedTimings } from './http-feed.ts';
import { LeaseClient } from './lease-client.ts';
import { LogWitness } from './log-witness.ts';
import { OfferFeed } from './offer-feed.ts';
import type { WorkerPorts } from './ports.ts';
import { Publication, type VerdictOn } from './publication.ts';
import { RevocationFeed } from './revocation-feed.ts';

const askedMax = 3;

/**
 * Asks connected peers, in turn, which checkpoint they saw and what they know against the log: a controller that tells each
 * worker another story passes them all by.
 */
export class Neighbours {
  readonly #ports: WorkerPorts;
  readonly #witness: LogWitness;
  readonly #revocations: RevocationFeed;
  #turn = 0;
  #asking = false;

  constructor(ports: WorkerPorts, witness: LogWitness, revocations: RevocationFeed) {
    this.#ports = ports;
    this.#witness = witness;
    this.#revocations = revocations;
  }

  start(): void {
    const { clock, signing } = this.#ports;
    every(clock, sessionTimes.neighboursMs * spread(signing), () => void this.look());
  }

  /** Asks a few of them; resolves when their answers were checked. */
  async look(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    const { credentials, neighbours } = this.#ports;
    const { controllers } = credentials.charter;
    const others = neighbours()
      .filter((id) => !controllers.includes(id))
      .sort();
    const asked = others.slice(0, askedMax).map((_, n) => others[(this.#turn + n) % others.length] ?? '');
    this.#turn += asked.length;
    // Bootstrap nodes and clients know nothing, and others leave.
    for (const id of asked) await this.#ask(id).catch(() => {});
    this.#asking = false;
  }

  async #ask(id: string): Promise<void> {
    const { note, equivocations } = await requestCheckpoint(this.#ports.dial, { id, addrs: [] });
    if (equivocations.length > 0)
      await this.#revocations.learn({ charters: [], revocations: [], equivocations });
    if (note !== null) await this.#witness.hearFrom(id, note);
  }
}

/** Everything a worker says to others, and the effects of its machine carried out. One instance per life of the process. */
export class WorkerSessions {
  readonly publication: Publication;
  /** The log as this worker saw it. */
  readonly witness: LogWitness;
  readonly #ports: WorkerPorts;
  readonly #grants: GrantRenewal;
  readonly #feed: OfferFeed;
  readonly #leases: LeaseClient;
  readonly #checks: DraftChecks;
  readonly #cosigner: Cosigner;
  readonly #answers: AnswerSigner;
  readonly #neighbours: Neighbours;
  /** Work that must end before the store and the journal are closed. */
  readonly #unfinished = new Set<Promise<void>>();

  constructor(ports: WorkerPorts, timings: HttpFeedTimings) {
    this.#ports = ports;
    const revocations = new RevocationFeed(ports);
    const witness = new LogWitness(ports, revocations);
    this.witness = witness;
    this.#neighbours = new Neighbours(ports, witness, revocations);
    this.publication = new Publication(ports, witness);
    this.#checks = new DraftChecks(ports, revocations, witness);
    witness.keepLeaves = (checkpoint) => this.#checks.keepUnder(checkpoint);
    this.#cosigner = new Cosigner(ports, this.#checks, witness, this.publication);
    this.#grants = new GrantRenewal(ports);
    this.#answers = new AnswerSigner(ports, this.#grants, this.#checks, witness);
    this.#leases = new LeaseClient(ports, this.#grants, witness, (lease, bundle) =>
      this.#run('cosign', this.#cosigner.check(lease, bundle)),
    );
    const takes = {
      onVerdict: (verdict: VerdictOn) => this.#run('verdict', this.publication.onVerdict(verdict)),
      pass: (offer: string) => this.#run('claim', this.#leases.claim(offer, this.#passOf(offer))),
    };
    this.#feed = new OfferFeed(ports, this.#grants, timings, { revocations, witness }, takes);
  }

  /** After the replay, before `start`: reads what is known of the log, and removes results of leases that are over. */
  async prepare(): Promise<void> {
    await this.witness.load();
    await this.#checks.load();
    await this.#ports.results.retain(this.#ports.machine.leases);
  }

  /**
   * Begins the life of a worker whose machine was replayed. Offers are heard only after `started` is journaled: it forgets
   * the claims of the life before, and a lease for a forgotten claim would be refused.
   */
  async start(started: Extract<WorkerEvent, { kind: 'started' }>): Promise<void> {
    await this.#ports.dispatch(started);
    this.#feed.start();
    this.#neighbours.start();
    void this.#grants.run();
    this.#run('answers', this.#answers.run());
  }

  /** Answers about the log, for others. */
  get known(): Pick<Known, 'checkpoint' | 'atStart'> {
    const { credentials } = this.#ports;
    return {
      checkpoint: () => this.witness.newest,
      atStart: {
        isController: (peer) => credentials.charter.controllers.includes(peer),
        held: () => ({ charter: credentials.membership.charter, leases: this.#held() }),
        leaves: (from) => this.#checks.keptFrom(from),
      },
    };
  }

  #held(): HeldLease[] {
    const { machine } = this.#ports;
    const known = new Set(machine.leases.map((id) => machine.leaseOf(id)?.raw));
    const over = leasesIn(this.witness.promises).filter(({ lease }) => !known.has(lease));
    const open = machine.leases.flatMap((id) => {
      const lease = machine.leaseOf(id)?.raw;
      if (lease === undefined) return [];
      const round = machine.roundOf(id)?.offer ?? '';
      const offer = machine.offerOf(id);
      const isOfRound = (leaf: string) => leaf.startsWith('receipt ') && leaf.endsWith(` offer ${round}`);
      const ack = this.witness.promises.find(({ leaf }) => isOfRound(leaf))?.ack;
      return [{ lease, ...(ack !== undefined && { ack }), ...(offer !== undefined && { offer }) }];
    });
    return [...open, ...over].slice(0, wireLimits.leasesHeldMax);
  }

  /** Why this worker gets no job at the moment, whatever it lends; null while nothing is known to be wrong. */
  get trouble(): string | null {
    return this.#grants.trouble ?? this.#feed.trouble;
  }

  /** Says how this version is behind the controller's; null where it is not, as far as is known. */
  get behind(): string | null {
    return this.#feed.behind;
  }

  /** Resolves when stopped builds have cleaned up and revealed results are public. */
  async idle(): Promise<void> {
    while (this.#unfinished.size > 0) await Promise.allSettled(this.#unfinished);
  }

  perform(effect: WorkerEffect): void {
    const { stopBuild, results, tell } = this.#ports;
    switch (effect.kind) {
      case 'claim':
        this.#tellOfPass(effect.claim);
        return this.#run('claim', this.#leases.claim(effect.offer, effect.claim));
      case 'build':
        return this.#finish('build', this.#build(effect));
      case 'stop-build':
        return stopBuild(effect.lease);
      case 'tell-built':
        return this.#tellOfResult(effect);
      case 'send-receipt':
        return this.#run('receipt', this.#leases.sendReceipt(effect.lease, effect));
      case 'give-up':
        return this.#leases.giveUp(effect);
      case 'resume':
        return this.#run('resume', this.#leases.resumeLease(effect.lease));
      case 'publish':
        return this.#finish('publish', this.publication.publish(effect));
      case 'discard':
        this.publication.dropped(effect.lease);
        return this.#finish('discard', results.discard(effect.lease));
      case 'cosign':
        return this.#run('cosign', this.#cosigner.sign(effect.lease, this.#leases));
      case 'refuse-cosign':
        return this.#cosigner.refuse(effect.lease, effect.code, effect.message, this.#leases);
      case 'sign-answer':
        return this.#answers.decided(effect.verdict, null);
      case 'refuse-answer':
        return this.#answers.decided(effect.verdict, { code: effect.code, message: effect.message });
      case 'poll':
        return this.#feed.poll();
      case 'note':
        return tell('warn', 'note', effect.says, { lease: effect.lease });
      default:
        return unreachable(effect, 'worker effect');
    }
  }

  /** The claim that passes on an offer which this version cannot read. */
  #passOf(offer: string): Claim {
    const { signing, credentials, clock, lending } = this.#ports;
    const { id: iss } = signing.signer;
    const aud = credentials.controller.id;
    const { capabilities } = lending;
    const claim = { iss, aud, offer, pass: workerOlder, capabilities, jti: signing.nonce() };
    return claimOf(claim, clock.now());
  }

  #tellOfPass({ offer, pass }: Claim): void {
    if (pass !== undefined) this.#ports.tell('info', 'pass', `takes no slot: ${pass}`, { offer, pass });
  }

  async #build({ lease, job, ref, reads }: Extract<WorkerEffect, { kind: 'build' }>): Promise<void> {
    const { build, dispatch, tell } = this.#ports;
    const { name, source } = job;
    tell('info', 'build', `building ${name} at ${source.commit.slice(0, 12)}`, { lease, job: name });
    try {
      const result = await build(lease, job, ref, reads);
      if (result !== undefined) await dispatch({ kind: 'built', lease, result });
    } catch (error) {
      await this.#leases.failed(lease, 'build', error);
    }
  }

  #tellOfResult({ lease, job, outcome }: Extract<WorkerEffect, { kind: 'tell-built' }>): void {
    const says =
      outcome.kind === 'exit' ? `exit ${outcome.code}` : `aborted (${outcome.reason}): ${outcome.detail}`;
    this.#ports.tell('info', 'built', `${job} is built: ${says}`, { lease, outcome });
  }

  #finish(what: string, work: Promise<void>): void {
    this.#unfinished.add(work);
    void work.catch(() => {}).finally(() => this.#unfinished.delete(work));
    this.#run(what, work);
  }

  #run(what: string, work: Promise<unknown>): void {
    const { clock, tell } = this.#ports;
    work.catch((error) => {
      if (!clock.closing) tell('warn', what, `${what}: ${messageOf(error)}`);
    });
  }
}
