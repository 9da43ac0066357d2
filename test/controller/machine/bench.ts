import { type Keys, standIn } from '../../../simulations/keys.ts';
import {
  capabilities,
  epochMs,
  exited,
  jobNamed,
  Paperwork,
  treeCid,
} from '../../../simulations/paperwork.ts';
import type {
  ControllerEffect,
  ControllerEvent,
  Reply,
  RunDocuments,
  Timings,
} from '../../../src/controller/machine/events.ts';
import type { RunFacts } from '../../../src/controller/machine/facts.ts';
import { Controller } from '../../../src/controller/machine/machine.ts';
import { summaryOf } from '../../../src/controller/machine/queries/summary.ts';
import { outcomeOf, type Run, verdictOf } from '../../../src/controller/machine/state.ts';
import { LostBundles } from '../../../src/controller/sessions/lost-bundles.ts';
import type { Durability } from '../../../src/protocol/base/durability.ts';
import {
  type Charter,
  type Grant,
  idOf,
  type Job,
  type Lease,
  type Offer,
  type Outcome,
  type Policy,
  type ReceiptFacts,
  type Recipe,
  type Request,
  type RevocationTarget,
  type Role,
  signMessage,
  type Verified,
} from '../../../src/protocol/documents/index.ts';
import type { EventLog } from '../../../src/protocol/sessions/loop.ts';
import { ownVersion, type PeerVersion } from '../../../src/protocol/wire/peer-version.ts';
import type { Progress } from '../../../src/protocol/wire/progress.ts';
import { advanceClock } from '../../protocol/advance-clock.ts';

export const timings: Timings = {
  windowMs: 1_000,
  slotFillMs: 60_000,
  absenceMs: 10_000,
  leaseSilenceMs: 30_000,
  detachGraceMs: 10_000,
  leaseOverheadMs: 60_000,
  pinRetryMs: 1_000,
  pinTriesMax: 3,
  widenMs: 5_000,
  grantMs: 24 * 3600_000,
};

export const A = treeCid('artifact a');
export const B = treeCid('artifact b');
export const built = exited(A);
export const other = exited(B);
export const failed = exited(null, 1);
export const aborted: Outcome = { kind: 'aborted', reason: 'memory', detail: 'killed' };

export interface Witnessing {
  keys?: string[];
  named?: string[];
  /** In seconds. */
  time?: number;
  grants?: Verified<Grant>[];
  size?: number;
  root?: string;
  verdict?: string;
}

type Kind<T extends { kind: string }, K extends T['kind']> = Extract<T, { kind: K }>;

/**
 * A controller, and a clock in the tester's hand. `send` hands one event over; `drive(ms)` lets time pass, with every
 * tick that falls due. Workers are names: `claim`, `deliver` and the like sign what a worker of that name would.
 */
export class Bench {
  readonly paper: Paperwork;
  controller: Controller;
  readonly journal: { event: ControllerEvent; now: number }[] = [];
  now = epochMs;
  /** Durability that the last event was declared to need. */
  durability: Durability = 'none';
  readonly #declared = new Map<ControllerEffect['kind'], Durability>();
  /** Everything that came out, oldest first. */
  readonly effects: ControllerEffect[] = [];
  readonly replies = new Map<string, Reply[]>();
  /** Bundles that were not there at the last replay; none where that did not look. */
  lost: LostBundles;
  /** Workers that delivered witness at once what waits for witnesses. */
  witnessing = true;
  readonly #grants = new Map<string, Verified<Grant>>();
  readonly #jobs = new Map<string, Job>();
  #tokens = 0;

  readonly #make: (id: string, idp: string) => Controller;

  readonly #first: { controller: string; idp: string };

  /** `make`: another controller than the real one, with a guard taken off. */
  constructor(
    make: (id: string, idp: string) => Controller = (id, idp) => new Controller(id, idp),
    keys: Keys = standIn,
  ) {
    this.#make = make;
    this.paper = new Paperwork(keys);
    this.#first = { controller: this.paper.controller.id, idp: this.paper.idp.id };
    this.controller = this.fresh();
    this.lost = this.#lostOf({ appendAll: () => {}, sync: () => {}, replay: () => [] });
  }

  /** A machine that has handled nothing. */
  fresh(): Controller {
    return this.#make(this.#first.controller, this.#first.idp);
  }

  send(event: ControllerEvent): ControllerEffect[] {
    this.journal.push({ event, now: this.now });
    const { effects, durability } = this.controller.handle(event, this.now);
    this.durability = durability;
    for (const { kind } of effects) this.#declared.set(kind, durability);
    if (durability === 'none') this.journal.pop();
    this.effects.push(...effects);
    for (const effect of effects) {
      if (effect.kind === 'reply')
        this.replies.set(effect.token, [...(this.replies.get(effect.token) ?? []), effect.reply]);
    }
    const raised = effects.flatMap((effect) => (effect.kind === 'raise' ? this.send(effect.event) : []));
    const witnessed = this.witnessing ? this.#witnessAll() : [];
    return [...effects, ...raised, ...witnessed];
  }

  #witnessAll(): ControllerEffect[] {
    const waiting = [...this.controller.state.index.open.values()].filter(
      ({ phase }) => phase.kind === 'witnessing' && phase.published === null,
    );
    return waiting.flatMap(({ id }) => this.witness(id));
  }

  /**
   * A round of checkpoints ends: these workers have signed, by default all that delivered, and these witnesses of others.
   * `over`: what else the event says.
   */
  witness(
    id: string,
    { keys, named = [], time = Math.floor(this.now / 1000), grants, ...over }: Witnessing = {},
  ): ControllerEffect[] {
    const { log, runs, presence } = this.controller.state;
    const { receipts, phase } = runs.get(id) ?? { receipts: [], phase: {} };
    const delivered = receipts.flatMap(({ slot, worker }) => (slot === 'trusted' ? [] : [worker]));
    const present = [...presence.workers].flatMap(([key, { role }]) => (role === 'worker' ? [key] : []));
    const workers = keys?.map((key) => this.id(key)) ?? (delivered.length > 0 ? delivered : present);
    // Where nothing was built for it no grant is known from a receipt.
    const shown =
      delivered.length > 0 ? [] : workers.flatMap((key) => presence.workers.get(key)?.grant ?? []);
    const size = over.size ?? log.size;
    return this.send({
      kind: 'witnessed',
      run: id,
      verdict: over.verdict ?? ('draft' in phase ? phase.draft.id : ''),
      root: over.root ?? log.root(Math.min(size, log.size)),
      log: {
        size,
        note: `note of ${size}`,
        lines: {
          keys: workers.map((witness) => ({ witness, time })),
          named: named.map((name) => ({ name, time })),
        },
        grants: grants ?? shown,
      },
    });
  }

  /** Lets `ms` pass; ticks come when they are due. Returns what they brought. */
  drive(ms: number): ControllerEffect[] {
    const from = this.effects.length;
    advanceClock(this, this.controller, ms);
    return this.effects.slice(from);
  }

  async start(charter: Partial<Charter> = {}): Promise<ControllerEffect[]> {
    const keys = { controller: this.paper.controller.id, idp: this.paper.idp.id };
    const stores = this.stores === undefined ? {} : { stores: this.stores };
    return this.send({
      kind: 'started',
      charter: await this.paper.charter(charter),
      timings,
      keys,
      ...stores,
    });
  }

  /** The process dies and comes back: the journal is replayed into a new machine, then `started`. */
  restart(): Promise<ControllerEffect[]> {
    this.replay();
    return this.start();
  }

  /** `names`: bundles that are on disk; all that were stored where absent. */
  replay(names?: ReadonlySet<string>): void {
    this.controller = this.fresh();
    const rows = this.journal.map(({ event, now }) => ({
      event,
      at: now,
      rules: Controller.rules,
      record: undefined,
    }));
    const journal = { appendAll: () => {}, sync: () => {}, replay: () => rows };
    this.lost = this.#lostOf(journal, names);
    const replayed = names === undefined ? journal : this.lost;
    for (const { event, at } of replayed.replay()) this.controller.handle(event, at);
  }

  #lostOf(journal: EventLog<ControllerEvent>, names: ReadonlySet<string> = new Set()): LostBundles {
    const spool = new Map<string, string>();
    return new LostBundles(journal, this.controller, names, {
      write: (name, text) => spool.set(name, text) === spool,
      read: async (name) => spool.get(name),
      end: () => spool.clear(),
    });
  }

  /** That keep artifacts from the next start on; none: the controller does. */
  stores: { ids: string[]; copies: number } | undefined;

  token(name: string): string {
    return `${name} ${++this.#tokens}`;
  }

  /** The name of a member's key. */
  nameOf(id: string): string {
    const name = [...this.#grants.keys()].find((key) => this.id(key) === id);
    if (name === undefined) throw new Error(`${id} is no member`);
    return name;
  }

  /** The reply to the last call with a token. */
  lastReply(token: string): Reply {
    const reply = this.replies.get(token)?.at(-1);
    if (reply === undefined) throw new Error(`nothing was answered to ${token}`);
    return reply;
  }

  async enrol(
    key: string,
    over: { operator?: string; role?: Role; hosts?: number; key?: string; invite?: string } = {},
  ): Promise<Reply> {
    const { operator = key, role = key === 'trusted' ? 'trusted-worker' : 'worker', hosts, invite } = over;
    const bound = over.key ?? (role === 'trusted-worker' ? this.id(key) : undefined);
    const ticket = await this.paper.invite(operator, role, this.now, {
      ...(hosts === undefined ? {} : { hosts }),
      ...(bound === undefined ? {} : { key: bound }),
      ...(invite === undefined ? {} : { jti: invite }),
    });
    const token = this.token(`enrol ${key}`);
    const enrol = await this.paper.enrol(key, this.now, ticket.payload.jti);
    this.send({ kind: 'enrol', token, enrol, invite: ticket });
    const reply = this.lastReply(token);
    if (reply.kind === 'grant') this.#grants.set(key, await this.paper.grant(reply.grant));
    return reply;
  }

  async members(...keys: string[]): Promise<void> {
    for (const key of keys) await this.enrol(key);
  }

  id(key: string): string {
    return this.paper.keys.signer(key).id;
  }

  grantOf(key: string): Verified<Grant> {
    const grant = this.#grants.get(key);
    if (grant === undefined) throw new Error(`${key} is not enrolled`);
    return grant;
  }

  present(...keys: string[]): void {
    this.presentAs(ownVersion('1.0.0'), ...keys);
  }

  /** Connects workers that state this version. */
  presentAs(version: PeerVersion | null, ...keys: string[]): void {
    for (const key of keys) this.send({ kind: 'present', grant: this.grantOf(key), capabilities, version });
  }

  /** Enrols a publisher if need be and submits a job; the run's id comes back. */
  async submit(
    over: {
      name?: string;
      kind?: Job['kind'];
      as?: string;
      policy?: Partial<Policy>;
      seconds?: number;
      needs?: Request['needs'];
      job?: Partial<Job>;
      ref?: string;
      more?: Request['more'];
      recipe?: Recipe | undefined;
      rebuild?: boolean;
      jti?: string;
      around?: number;
    } = {},
  ): Promise<string> {
    if (!this.#grants.has('publisher')) await this.enrol('publisher', { role: 'publisher' });
    const { kind } = over;
    const work = jobNamed(over.name ?? 'app', { ...(kind !== undefined && { kind }), ...over.job });
    this.#jobs.set(work.jobId, work.job);
    const { as = 'publisher' } = over;
    const request = await this.paper.request(as, work, this.now, {
      policy: { agree: 2, of: 3, cosign: 'required', rounds: 2, ...over.policy },
      ...(over.seconds === undefined ? {} : { seconds: over.seconds }),
      ...(over.needs === undefined ? {} : { needs: over.needs }),
      ...(over.ref === undefined ? {} : { ref: over.ref }),
      ...(over.more === undefined ? {} : { more: over.more }),
      ...(over.recipe === undefined ? {} : { recipe: over.recipe }),
      ...(over.rebuild === undefined ? {} : { rebuild: over.rebuild }),
      ...(over.jti === undefined ? {} : { jti: over.jti }),
    });
    const token = this.token('submit');
    this.send({
      kind: 'submit',
      token,
      request,
      publisher: this.grantOf(as),
      ...work,
      entropy: `entropy of ${work.jobId}`,
      ...(over.around === undefined ? {} : { around: over.around }),
    });
    const reply = this.lastReply(token);
    if (reply.kind !== 'accepted') throw new Error(`not accepted: ${JSON.stringify(reply)}`);
    return reply.run;
  }

  /** Revokes from a leaf of the log on, by default from now on; the answer comes back. */
  async revoke(
    what: RevocationTarget,
    over: { since?: number; as?: string; reason?: string; keeps?: readonly string[]; project?: string } = {},
  ): Promise<Reply> {
    const { since = this.controller.state.log.size, ...rest } = over;
    const revocation = await this.paper.revocation(what, since, this.now, rest);
    const token = this.token('revoke');
    this.send({ kind: 'revoke', token, revocation });
    return this.lastReply(token);
  }

  /** With its documents. */
  run(id: string): Run {
    const run = this.controller.state.runs.get(id);
    if (run === undefined) throw new Error('no run that holds documents');
    return run;
  }

  /** The bundle of its last verdict is stored. */
  store(run: string): ControllerEffect[] {
    const verdict = verdictOf(this.facts(run))?.id ?? '';
    return this.send({ kind: 'stored', run, verdict });
  }

  /** Answers the last wish for the documents of a run that has ended, from those that it holds; or that they are not to be had. */
  recall(
    run: string,
    documents: Extract<ControllerEvent, { kind: 'recalled' }>['documents'],
  ): ControllerEffect[] {
    return this.send({ kind: 'recalled', run, entropy: 'of the second life', documents });
  }

  /** The documents for a bundle of a run. */
  documentsOf(id: string): RunDocuments {
    const { request, publisher, job, rounds, documents } = this.run(id);
    const offers = rounds.map(({ offer }) => offer);
    return { request, publisher, job, offers, receipts: [...documents.values()] };
  }

  /** Any run. */
  facts(id: string): RunFacts {
    const facts = this.controller.state.index.get(id);
    if (facts === undefined) throw new Error('no such run');
    return facts;
  }

  /** The result of a run so far. */
  result(id: string) {
    const run = this.facts(id);
    const { state, level, reason: ending = null } = summaryOf(this.controller.state, run);
    const whole = this.controller.state.runs.get(id);
    return {
      state,
      level,
      ending,
      outcome: outcomeOf(run),
      verdict: whole === undefined ? undefined : verdictOf(whole)?.payload,
    };
  }

  /** The offer made last. */
  get offer(): Offer {
    const offer = this.all('offer').at(-1)?.offer;
    if (offer === undefined) throw new Error('nothing was offered');
    return offer;
  }

  /** Returns the token: `lastReply` tells what became of the claim. */
  async claim(
    key: string,
    over: {
      offer?: string;
      pass?: string;
      aud?: string;
      exp?: number;
      grant?: string;
      capabilities?: typeof capabilities;
    } = {},
  ): Promise<string> {
    const { offer = idOf(this.offer), grant = key, ...rest } = over;
    const claim = await this.paper.claim(key, offer, this.now, rest);
    const token = this.token(`claim ${key}`);
    this.send({ kind: 'claim', token, claim, grant: this.grantOf(grant) });
    return token;
  }

  /** All of them claim, the window closes, and those that got a lease are returned by key. */
  async lease(...keys: string[]): Promise<Map<string, Verified<Lease>>> {
    const tokens = new Map<string, string>();
    for (const key of keys) tokens.set(key, await this.claim(key));
    const run = [...this.controller.state.runs.values()].at(-1);
    if (run?.rounds.at(-1)?.windowOpen === true) this.drive(timings.windowMs);
    const leases = new Map<string, Verified<Lease>>();
    for (const [key, token] of tokens) {
      const reply = this.lastReply(token);
      if (reply.kind === 'lease') leases.set(key, await this.signed(reply.lease));
    }
    return leases;
  }

  signed(lease: Lease): Promise<Verified<Lease>> {
    const signer = this.paper.controllers.find(({ id }) => id === lease.iss) ?? this.paper.controller;
    return signMessage('lease', lease, signer);
  }

  jobOf(lease: { payload: Lease }): Job {
    const of = [...this.controller.state.runs.values()].find(({ jobId }) => jobId === lease.payload.job);
    const job = this.#jobs.get(lease.payload.job) ?? of?.job;
    if (job === undefined) throw new Error('a job of this bench');
    return job;
  }

  /** Sends a receipt for a lease; the answer comes back. */
  async deliver(
    key: string,
    lease: Verified<Lease> | undefined,
    outcome: Outcome = built,
    over: {
      facts?: Partial<ReceiptFacts>;
      files?: { path: string; sha256: string }[];
      limit?: { name: string; max: number };
    } = {},
  ): Promise<Reply> {
    if (lease === undefined) throw new Error(`${key} has no lease`);
    const receipt = await this.paper.receipt(key, lease, this.jobOf(lease), outcome, over);
    const token = this.token(`receipt ${key}`);
    const { limit } = over;
    this.send({ kind: 'receipt', token, lease: lease.id, receipt, ...(limit !== undefined && { limit }) });
    return this.lastReply(token);
  }

  /** A heartbeat on each of these leases. */
  beat(leases: Iterable<[string, Verified<Lease>]>): void {
    for (const [key, lease] of leases)
      this.send({ kind: 'heartbeat', worker: this.id(key), lease: lease.id });
  }

  resume(key: string, lease: Verified<Lease>): ControllerEffect[] {
    return this.send({ kind: 'resume', token: this.token(`resume ${key}`), lease, worker: this.id(key) });
  }

  /** Answers the last wish to pin. */
  pinned(run: string, ok = true): ControllerEffect[] {
    const artifact = this.all('pin').at(-1)?.artifact ?? '';
    return this.send({ kind: 'pinned', run, artifact, ok, detail: ok ? '' : 'nobody serves it' });
  }

  cosign(run: string, by = 'trusted'): ControllerEffect[] {
    const { phase } = this.run(run);
    const verdict = phase.kind === 'cosigning' ? phase.draft.id : '';
    const worker = this.id(by);
    return this.send({ kind: 'cosigned', run, worker, verdict, signature: 'c2ln', witness: 'w' });
  }

  /** Durability that the last event with such an effect was declared to need. */
  durabilityOf(effect: ControllerEffect['kind']): Durability | undefined {
    return this.#declared.get(effect);
  }

  all<K extends ControllerEffect['kind']>(kind: K): Kind<ControllerEffect, K>[] {
    return this.effects.filter((effect): effect is Kind<ControllerEffect, K> => effect.kind === kind);
  }

  progress<K extends Progress['kind']>(run: string, kind: K): Kind<Progress, K>[] {
    return this.facts(run).history.flatMap(({ progress }) => (isKind(progress, kind) ? [progress] : []));
  }
}

function isKind<K extends Progress['kind']>(progress: Progress, kind: K): progress is Kind<Progress, K> {
  return progress.kind === kind;
}

/** A project of a trusted worker and these operators, each with one machine that is present. */
export async function projectOf(...operators: string[]): Promise<Bench> {
  const bench = new Bench();
  await bench.start();
  await bench.members('trusted', ...operators);
  bench.present('trusted', ...operators);
  return bench;
}

/** A round of `ada`, `bob` and `cy` whose slots are all leased, and the trusted worker's lease beside it. */
export async function leasedRound(over: Parameters<Bench['submit']>[0] = {}, ...more: string[]) {
  const bench = await projectOf('ada', 'bob', 'cy', ...more);
  const run = await bench.submit(over);
  const leases = await bench.lease('ada', 'bob', 'cy');
  const trusted =
    over.policy?.cosign === 'none'
      ? undefined
      : await bench.lease('trusted').then((map) => map.get('trusted'));
  return { bench, run, leases, trusted };
}

/** The receipt of each of them, in turn; of those without an outcome, that it was built. */
export async function deliverAll(bench: Bench, leases: Map<string, Verified<Lease>>, outcomes: Outcome[]) {
  let n = 0;
  for (const [key, lease] of leases) await bench.deliver(key, lease, outcomes[n++] ?? built);
}
