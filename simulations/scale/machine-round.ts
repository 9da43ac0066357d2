import { type ControllerEvent, defaultTimings, type Reply } from '../../src/controller/machine/events.ts';
import { Controller } from '../../src/controller/machine/machine.ts';
import { operatorsAround } from '../../src/controller/machine/presence.ts';
import { unfilledOffers } from '../../src/controller/machine/rounds/claims.ts';
import { currentRound } from '../../src/controller/machine/state.ts';
import {
  type Grant,
  idOf,
  type Offer,
  type Role,
  type Verified,
} from '../../src/protocol/documents/index.ts';
import { sessionTimes } from '../../src/protocol/sessions/limits.ts';
import { ownVersion } from '../../src/protocol/wire/peer-version.ts';
import { type Keys, standIn } from '../keys.ts';
import { capabilities, epochMs, jobNamed, Paperwork } from '../paperwork.ts';
import type { Deciding, Given } from './deciding.ts';
import { operatorName, type Population, workerName } from './population.ts';

const version = ownVersion('1.0.0');
const betweenJobsMs = 60_000;

/** Production's machine of a controller, with all workers of a population enrolled and connected, and their documents. */
export class Project {
  readonly paper: Paperwork;
  readonly population: Population;
  readonly #controller: Controller;
  readonly #grants = new Map<string, Verified<Grant>>();
  readonly #numberOf = new Map<string, number>();
  #replies: { token: string; reply: Reply }[] = [];
  now = epochMs;
  /** Called when an offer is told again. */
  offered: (run: string) => void = () => {};
  #jobs = 0;

  private constructor(population: Population, keys: Keys) {
    this.paper = new Paperwork(keys);
    this.population = population;
    this.#controller = new Controller(this.paper.controller.id, this.paper.idp.id);
  }

  static async of(population: Population, keys: Keys = standIn): Promise<Project> {
    const project = new Project(population, keys);
    const { paper } = project;
    const charter = await paper.charter();
    const signs = { controller: paper.controller.id, idp: paper.idp.id };
    project.send({ kind: 'started', charter, timings: defaultTimings, keys: signs });
    await project.#enrol('publisher', 'publisher', 'owner', 1);
    for (const [operator, workers] of population.machines.entries()) {
      for (const worker of workers) {
        const key = workerName(worker);
        project.#numberOf.set(paper.keys.signer(key).id, worker);
        const grant = await project.#enrol(key, 'worker', operatorName(operator), workers.length);
        project.send({ kind: 'present', grant, capabilities, version });
      }
    }
    return project;
  }

  async #enrol(key: string, role: Role, operator: string, hosts: number): Promise<Verified<Grant>> {
    const invite = await this.paper.invite(operator, role, this.now, { hosts });
    const enrol = await this.paper.enrol(key, this.now, invite.payload.jti);
    this.send({ kind: 'enrol', token: key, enrol, invite });
    const reply = this.#replies.at(-1)?.reply;
    if (reply?.kind !== 'grant') throw new Error(`${key} was not enrolled`);
    const grant = await this.paper.grant(reply.grant);
    this.#grants.set(key, grant);
    return grant;
  }

  grantOf(key: string): Verified<Grant> {
    const grant = this.#grants.get(key);
    if (grant === undefined) throw new Error(`${key} is not enrolled`);
    return grant;
  }

  workerOf = (id: string): number => this.#numberOf.get(id) ?? -1;
  idOf = (worker: number): string => this.paper.keys.signer(workerName(worker)).id;
  get state() {
    return this.#controller.state;
  }

  /** Replies to this event, and to those that it raises. */
  send(event: ControllerEvent): { token: string; reply: Reply }[] {
    this.#replies = [];
    const waiting = [event];
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      for (const effect of this.#controller.handle(next, this.now).effects) {
        if (effect.kind === 'reply') this.#replies.push(effect);
        if (effect.kind === 'raise') waiting.push(effect.event);
        if (effect.kind === 'offer') this.offered(effect.run);
      }
    }
    return this.#replies;
  }

  /** Lets time pass, with every tick that falls due; `heard` is called after each. */
  drive(to: number, heard: (replies: readonly { reply: Reply }[]) => void = () => {}): void {
    for (;;) {
      const due = this.#controller.nextDeadline();
      if (due === undefined || due > to) break;
      this.now = Math.max(this.now, due);
      heard(this.send({ kind: 'tick' }));
    }
    this.now = Math.max(this.now, to);
  }

  /** Submits the next job. */
  async open(policy: Pick<Offer['policy'], 'agree' | 'of'>): Promise<MachineRound> {
    this.drive(this.now + betweenJobsMs);
    const work = jobNamed(`job-${++this.#jobs}`);
    const request = await this.paper.request('publisher', work, this.now, {
      policy: { ...policy, cosign: 'none', rounds: 1 },
      seconds: 24 * 3600,
    });
    const publisher = this.grantOf('publisher');
    const around = operatorsAround(this.state);
    const entropy = work.jobId.padEnd(64, '0').slice(0, 64);
    this.send({ kind: 'submit', token: 'submit', request, publisher, ...work, entropy, around });
    const run = this.state.runs.get(request.id);
    const round = run && currentRound(run);
    if (run === undefined || round === undefined) throw new Error('the job was not taken');
    return new MachineRound(this, { run: run.id, offer: round.offer, offerId: round.offerId });
  }
}

export class MachineRound implements Deciding {
  readonly given: Given[] = [];
  readonly told: number[] = [];
  readonly offer: Offer;
  readonly #project: Project;
  readonly #offerId: string;
  readonly #run: string;
  readonly #openedAt: number;
  #beatAt: number;
  /** Leases whose worker is there, by slot. */
  readonly #leases = new Map<number, { lease: string; worker: string }>();

  constructor(project: Project, { run, offer, offerId }: { run: string; offer: Offer; offerId: string }) {
    this.#project = project;
    this.#run = run;
    this.offer = offer;
    this.#offerId = offerId;
    this.#openedAt = project.now;
    project.offered = (of) => {
      if (of === run) this.told.push(project.now - this.#openedAt);
    };
    this.#beatAt = project.now + sessionTimes.heartbeatMs;
  }

  /** Of those whose worker is there, heartbeats come in time. */
  until(at: number): void {
    const project = this.#project;
    const note = (replies: readonly { reply: Reply }[]) => this.#note(replies);
    for (; this.#beatAt <= this.#openedAt + at; this.#beatAt += sessionTimes.heartbeatMs) {
      project.drive(this.#beatAt, note);
      for (const held of this.#leases.values()) project.send({ kind: 'heartbeat', ...held });
    }
    project.drive(this.#openedAt + at, note);
  }

  async answer(at: number, worker: number, pass: boolean): Promise<void> {
    this.until(at);
    const project = this.#project;
    const key = workerName(worker);
    const over = pass ? { pass: 'busy with another job' } : {};
    const claim = await project.paper.claim(key, this.#offerId, project.now, over);
    const grant = project.grantOf(key);
    this.#note(project.send({ kind: 'claim', token: key, claim, grant }));
  }

  leave(at: number, { slot, worker }: Given): void {
    this.until(at);
    const held = this.#leases.get(slot);
    if (held?.worker !== this.#project.idOf(worker)) throw new Error('another worker has this slot');
    this.#leases.delete(slot);
    this.#project.send({ kind: 'detached', ...held });
  }

  isFree(): boolean {
    return unfilledOffers(this.#project.state).includes(this.#offerId);
  }

  /** The job ends without a verdict, so that the next one begins on an empty table. */
  end(): void {
    const project = this.#project;
    const by = project.paper.keys.signer('publisher').id;
    project.send({ kind: 'cancel', token: 'cancel', which: this.#run, by, reason: 'the round is over' });
  }

  #note(replies: readonly { reply: Reply }[]): void {
    const project = this.#project;
    for (const { reply } of replies) {
      if (reply.kind !== 'lease' || typeof reply.lease.slot !== 'number') continue;
      const { slot, aud } = reply.lease;
      const worker = project.workerOf(aud);
      const operator = project.population.operatorOf[worker] ?? -1;
      this.given.push({ at: project.now - this.#openedAt, slot, worker, operator });
      this.#leases.set(slot, { lease: idOf(reply.lease), worker: aud });
    }
  }
}
