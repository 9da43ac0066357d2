import { createHash } from 'node:crypto';
import { standIn } from '../../simulations/keys.ts';
import { capabilities, epochMs, exited, jobNamed, Paperwork, treeCid } from '../../simulations/paperwork.ts';
import {
  type ControllerEffect,
  type ControllerEvent,
  defaultTimings,
} from '../../src/controller/machine/events.ts';
import { Controller } from '../../src/controller/machine/machine.ts';
import { type Grant, idOf, type Lease, type Verified } from '../../src/protocol/documents/index.ts';
import { ownVersion } from '../../src/protocol/wire/peer-version.ts';
import { cosigned } from './cosigned.ts';

const operators = ['ada', 'bob', 'cy'];
const builders = [...operators, 'trusted'];
const stepMs = 60_000;
const policy = { agree: 2, of: 3, cosign: 'required', rounds: 2 } as const;

/** Times of a kind of event, in ms. */
export type Times = Map<string, number[]>;

/** A controller that has run many jobs: three operators and the trusted worker built each, and it is trusted. */
export class History {
  readonly paper: Paperwork;
  readonly machine: Controller;
  now: number;
  /** Of events since it was last cleared, by kind. */
  readonly times: Times = new Map();
  readonly #keep: (event: ControllerEvent, at: number, record: string | undefined) => void;
  #grants = new Map<string, Verified<Grant>>();
  #jobs = 0;

  /** `keep` gets each event that a journal would hold. */
  constructor(
    keep: (event: ControllerEvent, at: number, record: string | undefined) => void = () => {},
    from = epochMs,
    keys = standIn,
  ) {
    this.#keep = keep;
    this.now = from;
    this.paper = new Paperwork(keys);
    this.machine = new Controller(this.paper.controller.id, this.paper.idp.id);
  }

  send(event: ControllerEvent): ControllerEffect[] {
    const began = performance.now();
    const { effects, durability, record } = this.machine.handle(event, this.now);
    const times = this.times.get(event.kind) ?? [];
    this.times.set(event.kind, times);
    times.push(performance.now() - began);
    if (durability !== 'none') this.#keep(event, this.now, record);
    const refused = effects.find(
      ({ kind, ...rest }) => kind === 'reply' && JSON.stringify(rest).includes('"error"'),
    );
    if (refused !== undefined) throw new Error(`${event.kind}: ${JSON.stringify(refused)}`);
    return [
      ...effects,
      ...effects.flatMap((effect) => (effect.kind === 'raise' ? this.send(effect.event) : [])),
    ];
  }

  async start(): Promise<void> {
    this.send({ kind: 'started', charter: await this.paper.charter(), timings: defaultTimings });
    for (const key of [...builders, 'publisher']) {
      const role = key === 'trusted' ? 'trusted-worker' : key === 'publisher' ? 'publisher' : 'worker';
      const bound = key === 'trusted' ? { key: this.#id(key) } : {};
      const invite = await this.paper.invite(key, role, this.now, bound);
      const enrol = await this.paper.enrol(key, this.now, invite.payload.jti);
      this.send({ kind: 'enrol', token: key, enrol, invite });
    }
  }

  /** Goes on after so many jobs, which another run of this class made. */
  begin(jobs: number): void {
    this.#jobs = jobs;
  }

  /** Runs this many further jobs, one a minute, and keeps none of them open. */
  async run(jobs: number): Promise<void> {
    for (let n = 0; n < jobs; n++) await this.#job(`app${++this.#jobs}`);
  }

  /** Median of the times of a kind since the last `times.clear()`. */
  median(kind: string): number {
    const sorted = [...(this.times.get(kind) ?? [])].sort((a, b) => a - b);
    return sorted[sorted.length >> 1] ?? Number.NaN;
  }

  #id(key: string): string {
    return this.paper.keys.signer(key).id;
  }

  async #grant(key: string): Promise<Verified<Grant>> {
    const held = this.#grants.get(key);
    if (held !== undefined && held.payload.exp * 1000 > this.now + stepMs * 60) return held;
    const enrol = await this.paper.enrol(key, this.now);
    const [answer] = this.send({ kind: 'renew', token: 'renew', enrol });
    if (answer?.kind !== 'reply' || answer.reply.kind !== 'grant') throw new Error('no grant');
    const grant = await this.paper.grant(answer.reply.grant);
    this.#grants.set(key, grant);
    return grant;
  }

  async #job(name: string): Promise<void> {
    this.now += stepMs;
    const work = jobNamed(name);
    const request = await this.paper.request('publisher', work, this.now, { policy });
    const publisher = await this.#grant('publisher');
    for (const key of builders)
      this.send({
        kind: 'present',
        grant: await this.#grant(key),
        capabilities,
        version: ownVersion('1.0.0'),
      });
    const entropy = createHash('sha256').update(name).digest('base64url').slice(0, 24);
    const submitted = this.send({ kind: 'submit', token: 's', request, publisher, ...work, entropy });
    const offer = submitted.flatMap((effect) => (effect.kind === 'offer' ? [effect.offer] : []))[0];
    if (offer === undefined) throw new Error('nothing was offered');
    const leases = new Map<string, Lease>();
    for (const key of builders) {
      const claim = await this.paper.claim(key, idOf(offer), this.now);
      for (const effect of this.send({ kind: 'claim', token: key, claim, grant: await this.#grant(key) }))
        if (effect.kind === 'reply' && effect.reply.kind === 'lease')
          leases.set(effect.token, effect.reply.lease);
    }
    const artifact = treeCid(`artifact of ${name}`);
    const files = Array.from({ length: 5 }, (_, n) => ({
      path: `bin/file-${n}`,
      sha256: createHash('sha256').update(`${name} ${n}`).digest('hex'),
    }));
    for (const key of builders) {
      const lease = leases.get(key);
      if (lease === undefined) throw new Error(`${key} has no lease`);
      const id = idOf(lease);
      const facts = { log: treeCid(`log of ${name} ${key}`) };
      const receipt = await this.paper.receipt(key, { id, payload: lease }, work.job, exited(artifact), {
        files,
        facts,
      });
      this.send({ kind: 'receipt', token: key, lease: id, receipt });
    }
    const run = request.id;
    this.send({ kind: 'pinned', run, artifact, ok: true, detail: '' });
    this.send(await cosigned(this.paper, this.machine.state, run, this.now));
    const { phase } = this.machine.state.runs.get(run) ?? {};
    if (phase?.kind !== 'done') throw new Error(`${name} is ${phase?.kind}`);
    this.send({ kind: 'stored', run, verdict: phase.published.verdict.id });
  }
}
