import type { ControllerEffect, ControllerEvent, Reply, Timings } from '../src/core/controller/events.ts';
import type { Controller } from '../src/core/controller/machine.ts';
import { publishedOf, verdictOf } from '../src/core/controller/state.ts';
import {
  addSignature,
  encodeBundle,
  idOf,
  type Offer,
  openStatement,
  signMessage,
  signStatement,
} from '../src/core/documents/index.ts';
import { unreachable } from '../src/core/errors.ts';
import { bundleOf } from './bundles.ts';
import { describeController } from './describe.ts';
import type { End, Node } from './network.ts';
import type { Observation } from './observer.ts';
import { nonceOf, type Paperwork } from './paperwork.ts';
import { Process, type Surroundings } from './process.ts';
import type { Reader } from './reader.ts';
import { snapshot } from './snapshot.ts';
import type { ApiDown, ApiUp, FeedUp, LeaseDown, LeaseUp, OfferNotice } from './wire.ts';

export interface ControllerOptions {
  timings: Timings;
  reader: Reader;
  observe: (seen: Observation) => Promise<void>;
  /** Who listens to gossip. */
  listeners: () => readonly (Node & { hear(notice: OfferNotice): Promise<void> })[];
  /** Whether one of these can be asked for the bytes now. */
  serves: (artifact: string, from: readonly string[]) => boolean;
  fresh: () => Controller;
}

interface LeaseStream {
  end: End;
  token: string;
  lease: string | undefined;
}

/** The controller's process: the machine, its streams, and what the real runtime does around them. */
export class ControllerProcess extends Process<ControllerEvent, ControllerEffect> {
  readonly name = 'controller';
  readonly id: string;
  declare machine: Controller;
  protected readonly tick: ControllerEvent = { kind: 'tick' };
  readonly #paper: Paperwork;
  readonly #options: ControllerOptions;
  readonly #published = new Set<string>();
  #answers = new Map<string, (reply: Reply) => Promise<void>>();
  #leases = new Map<string, LeaseStream>();
  #feeds = new Map<string, End>();
  #tokens = 0;

  constructor(around: Surroundings, paper: Paperwork, options: ControllerOptions) {
    super(around, 'controller');
    this.id = paper.controller.id;
    this.#paper = paper;
    this.#options = options;
    this.machine = options.fresh();
  }

  protected fresh(): Controller {
    return this.#options.fresh();
  }

  protected async started(): Promise<void> {
    await this.dispatch({
      kind: 'started',
      charter: await this.#paper.charter(),
      timings: this.#options.timings,
    });
  }

  protected stopped(): void {
    this.#answers = new Map();
    this.#leases = new Map();
    this.#feeds = new Map();
  }

  protected crashRate(): number {
    return this.around.rates().controllerCrashPerEvent;
  }

  protected snapshot(): string {
    return snapshot(this.machine.state);
  }

  protected async handled(event: ControllerEvent, effects: ControllerEffect[]): Promise<void> {
    await this.#options.observe({ kind: 'handled', event, effects, state: this.machine.state });
  }

  protected async restored(before: string, after: string): Promise<void> {
    await this.#options.observe({
      kind: 'restarted',
      who: this.name,
      before,
      after,
      state: this.machine.state,
    });
  }

  protected describe(event: ControllerEvent, effects: ControllerEffect[]): string | undefined {
    return describeController(event, effects, (id) => this.around.trace.nameOf(id));
  }

  /** For setting a scene: asks as a client on a perfect line would. */
  async ask(event: (token: string) => ControllerEvent): Promise<Reply | undefined> {
    let answer: Reply | undefined;
    const token = this.#token(async (reply) => {
      answer = reply;
    });
    await this.dispatch(event(token));
    return answer;
  }

  #token(answer: (reply: Reply) => Promise<void>): string {
    const token = `t${++this.#tokens}`;
    this.#answers.set(token, answer);
    return token;
  }

  accept(protocol: string, end: End): void {
    if (protocol === 'feed') this.#acceptFeed(end);
    else if (protocol === 'lease') this.#acceptLease(end);
    else this.#acceptApi(end);
  }

  #acceptFeed(end: End): void {
    const { reader } = this.#options;
    end.listen<FeedUp>(
      async (message) => {
        if (message.kind === 'hello') {
          const grant = await reader.message('grant', message.grant);
          if (grant.payload.sub !== end.peer) return end.close();
          this.#feeds.set(end.peer, end);
          await this.dispatch({ kind: 'present', grant, capabilities: message.capabilities });
          if (!this.up) return;
        }
        const offers: OfferNotice[] = [];
        for (const run of this.machine.state.offers.values()) {
          const offer = this.machine.state.runs.get(run)?.rounds.at(-1)?.offer;
          if (offer !== undefined) offers.push(await this.#notice(run, offer));
        }
        end.send({ kind: 'backlog', offers });
      },
      async () => {
        if (this.#feeds.get(end.peer) !== end) return;
        this.#feeds.delete(end.peer);
        await this.dispatch({ kind: 'absent', worker: end.peer });
      },
    );
  }

  /** Signed once: a backlog is asked for all the time. */
  readonly #notices = new WeakMap<Offer, OfferNotice>();

  async #notice(run: string, offer: Offer): Promise<OfferNotice> {
    const known = this.machine.state.runs.get(run);
    if (known === undefined) throw new Error('an offer is of a run');
    const made = this.#notices.get(offer);
    if (made !== undefined) return made;
    const { raw } = await signMessage('offer', offer, this.#paper.controller);
    const notice = { offer: raw, request: known.request.raw, job: known.job, jobId: known.jobId };
    this.#notices.set(offer, notice);
    return notice;
  }

  #acceptLease(end: End): void {
    const stream: LeaseStream = { end, token: '', lease: undefined };
    stream.token = this.#token((reply) => this.#answer(stream, reply));
    end.listen<LeaseUp>(
      (message) => this.#leaseMessage(stream, message),
      async () => {
        this.#answers.delete(stream.token);
        const { lease } = stream;
        if (lease === undefined || this.#leases.get(lease) !== stream) return;
        this.#leases.delete(lease);
        await this.dispatch({ kind: 'detached', worker: end.peer, lease });
      },
    );
  }

  async #leaseMessage(stream: LeaseStream, message: LeaseUp): Promise<void> {
    const { reader } = this.#options;
    const { end, token } = stream;
    switch (message.kind) {
      case 'claim': {
        const claim = await reader.message('claim', message.claim);
        return this.dispatch({
          kind: 'claim',
          token,
          claim,
          grant: await reader.message('grant', message.grant),
        });
      }
      case 'resume':
        return this.dispatch({
          kind: 'resume',
          token,
          lease: await reader.message('lease', message.lease),
          worker: end.peer,
        });
      case 'heartbeat':
        if (stream.lease === undefined) return undefined;
        return this.dispatch({ kind: 'heartbeat', worker: end.peer, lease: stream.lease });
      case 'receipt': {
        const receipt = await reader.receipt(message.envelope);
        const { lease } = receipt.payload.predicate.quorate_receipt;
        return this.dispatch({ kind: 'receipt', token, lease, receipt });
      }
      case 'cosigned':
        return this.#cosigned(stream, message);
      case 'cosign-refused': {
        const run = this.machine.state.leases.get(stream.lease ?? '');
        if (run === undefined) return undefined;
        const { code, message: says } = message;
        return this.dispatch({ kind: 'cosign-refused', run, worker: end.peer, code, message: says });
      }
      default:
        return unreachable(message, 'lease message');
    }
  }

  async #cosigned({ lease, end }: LeaseStream, said: Extract<LeaseUp, { kind: 'cosigned' }>): Promise<void> {
    const { state } = this.machine;
    const run = state.leases.get(lease ?? '');
    const known = state.runs.get(run ?? '');
    const draft = known === undefined ? undefined : verdictOf(known)?.payload;
    if (run === undefined || draft === undefined) return;
    const { controller, keys } = this.#paper;
    const verdict = await signStatement('verdict', draft, controller);
    try {
      await openStatement('verdict', addSignature(verdict.raw, end.peer, said.signature), keys.verifier);
    } catch {
      return;
    }
    const { signature, witness } = said;
    await this.dispatch({ kind: 'cosigned', run, worker: end.peer, signature, witness });
  }

  #acceptApi(end: End): void {
    const { reader } = this.#options;
    const token = this.#token(async (reply) => {
      if (reply.kind === 'grant')
        end.send({ kind: 'grant', grant: (await this.#paper.grant(reply.grant)).raw } satisfies ApiDown);
      else if (reply.kind === 'accepted' || reply.kind === 'cancelled' || reply.kind === 'error')
        end.send(reply);
    });
    end.listen<ApiUp>(
      async (message) => {
        if (message.kind === 'enrol') {
          const enrol = await reader.message('enrol', message.enrol);
          return this.dispatch({
            kind: 'enrol',
            token,
            enrol,
            invite: await reader.message('invite', message.invite),
          });
        }
        if (message.kind === 'cancel')
          return this.dispatch({
            kind: 'cancel',
            token,
            which: message.run,
            by: end.peer,
            reason: 'changed my mind',
          });
        const request = await reader.message('request', message.request);
        const publisher = await reader.message('grant', message.publisher);
        const { job, jobId } = message;
        return this.dispatch({
          kind: 'submit',
          token,
          request,
          publisher,
          job,
          jobId,
          entropy: nonceOf(`draw ${jobId}`),
        });
      },
      () => {
        this.#answers.delete(token);
      },
    );
  }

  async #answer(stream: LeaseStream, reply: Reply): Promise<void> {
    const { controller } = this.#paper;
    const say = (message: LeaseDown) => stream.end.send(message);
    if (reply.kind === 'lease') {
      stream.lease = idOf(reply.lease);
      this.#leases.set(stream.lease, stream);
      say({ kind: 'lease', lease: (await signMessage('lease', reply.lease, controller)).raw });
    } else if (reply.kind === 'ack')
      say({ kind: 'ack', ack: (await signMessage('ack', reply.ack, controller)).raw });
    else if (reply.kind === 'standby' || reply.kind === 'reserve') say({ kind: reply.kind });
    else if (reply.kind === 'error') say({ kind: 'error', code: reply.code, message: reply.message });
  }

  protected async perform(effect: ControllerEffect): Promise<void> {
    await this.#options.observe({ kind: 'sent', effect, state: this.machine.state });
    switch (effect.kind) {
      case 'reply':
        return this.#answers.get(effect.token)?.(effect.reply);
      case 'offer':
        return this.#gossip(await this.#notice(effect.run, effect.offer));
      case 'reveal':
        return this.#leases.get(effect.lease)?.end.send({ kind: 'reveal' });
      case 'release': {
        const { code, message } = effect;
        return this.#leases.get(effect.lease)?.end.send({ kind: 'release', code, message });
      }
      case 'pin':
        return this.#pin(effect);
      case 'cosign':
        return this.#cosign(effect);
      case 'verdict':
        return this.#publish(effect.run);
      case 'unoffer':
      case 'keep':
      case 'progress':
        return undefined;
      default:
        return unreachable(effect, 'controller effect');
    }
  }

  #gossip(notice: OfferNotice): void {
    const { network } = this.around;
    network.gossip(this, this.#options.listeners(), (node) =>
      this.#options
        .listeners()
        .find(({ id }) => id === node.id)
        ?.hear(notice),
    );
  }

  #pin({ run, artifact, from }: Extract<ControllerEffect, { kind: 'pin' }>): void {
    const { life } = this;
    const { time, random } = this.around;
    const luck = random.fork(`pin ${artifact} ${time.now}`);
    // Some trees are large: the trusted worker may well deliver meanwhile.
    time.after(luck.chance(0.3) ? luck.int(5_000, 60_000) : luck.int(200, 4_000), () => {
      if (!this.up || this.life !== life) return undefined;
      const ok = this.#options.serves(artifact, from);
      return this.dispatch({ kind: 'pinned', run, artifact, ok, detail: ok ? '' : 'nobody serves it' });
    });
  }

  async #cosign({ run, worker, lease }: Extract<ControllerEffect, { kind: 'cosign' }>): Promise<void> {
    const { state } = this.machine;
    const bundle = await bundleOf(state, run, this.#paper.project, this.#paper.controller);
    const end = this.#leases.get(lease)?.end;
    if (bundle === undefined || end === undefined) return;
    await this.#options.observe({ kind: 'shown', run, worker });
    const known = state.runs.get(run);
    const leaves = state.log.leaves(0, known === undefined ? undefined : verdictOf(known)?.size);
    end.send({ kind: 'cosign', bundle: encodeBundle(bundle), leaves });
  }

  async #publish(run: string): Promise<void> {
    const { state } = this.machine;
    const known = state.runs.get(run);
    const published = known === undefined ? null : publishedOf(known);
    if (published === null) return;
    const once = `${published.verdict.id} ${published.cosignature?.signature ?? ''}`;
    if (this.#published.has(once)) return;
    this.#published.add(once);
    const bundle = await bundleOf(state, run, this.#paper.project, this.#paper.controller);
    if (bundle === undefined) return;
    await this.#options.observe({ kind: 'published', run, bundle, verdict: published.verdict.payload });
  }
}
