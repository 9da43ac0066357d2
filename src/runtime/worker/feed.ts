import { randomBytes } from 'node:crypto';
import type { z } from 'zod';
import { claimedIdOf, decodeJob, openMessage } from '../../core/documents/index.ts';
import { messageOf, QuorateError } from '../../core/errors.ts';
import { checkOffered, checkOfferIssuer, enforce } from '../../core/judge/index.ts';
import { limits } from '../../core/limits.ts';
import { toUtf8 } from '../../core/text.ts';
import {
  decodeMessage,
  feedDownSchema,
  type feedUpSchema,
  type OfferNotice,
  offerNoticeSchema,
  type VerdictNotice,
  verdictNoticeSchema,
} from '../../core/wire/messages.ts';
import { protocols, topics } from '../../core/wire/protocols.ts';
import type { Lending } from '../../core/worker/events.ts';
import { joseVerifier } from '../../identity/verifier.ts';
import { MessageStream } from '../node/message-stream.ts';
import type { WorkerContext } from './context.ts';
import { HttpFeed, type HttpFeedTimings } from './http-feed.ts';

type Up = z.infer<typeof feedUpSchema>;
type Down = z.infer<typeof feedDownSchema>;

const pollMs = 15_000;
const settleMs = 2_000;
const retryMsMax = 5_000;
const openMsMax = 10_000;
const findMsMax = 3_000;
/** Offers remembered as told; an older one that comes again is only told twice. */
const toldMax = 1_000;

type Via = 'gossip' | 'backlog' | 'http';

/**
 * Where offers come from: gossip, a stream to the controller that brings the backlog to late joiners and cut-off peers,
 * and while both are silent its HTTP feed.
 */
export class WorkerFeed {
  readonly #context: WorkerContext;
  readonly #lending: Lending;
  readonly #onVerdict: (artifact: string, level: string) => void;
  #talk: MessageStream<Up, Down> | undefined;
  #connected = false;
  readonly #told = new Set<string>();
  readonly #http: HttpFeed;

  constructor(
    context: WorkerContext,
    lending: Lending,
    timings: HttpFeedTimings,
    onVerdict: (artifact: string, level: string) => void,
  ) {
    this.#context = context;
    this.#lending = lending;
    this.#onVerdict = onVerdict;
    this.#http = new HttpFeed(context, timings, {
      offer: (notice) => this.#try(notice, 'http'),
      verdict: (notice) => this.#hint(notice),
    });
  }

  start(): void {
    const { mesh, credentials, tell } = this.#context;
    const { project } = credentials.membership;
    const fromController = async (from: string) =>
      (credentials.charter.controllers.includes(from) ? 'accept' : 'reject') as 'accept' | 'reject';
    for (const topic of [topics.offers(project), topics.verdicts(project)])
      mesh.setValidator(topic, fromController);
    mesh.subscribe(topics.offers(project), (_from, data) => {
      this.#http.heard();
      this.#take(data).catch((error) => tell('warn', 'offer', `an offer was ignored: ${messageOf(error)}`));
    });
    mesh.subscribe(topics.verdicts(project), (_from, data) => {
      this.#http.heard();
      try {
        this.#hint(decodeMessage(data, verdictNoticeSchema, 'a verdict notice'));
      } catch (error) {
        tell('warn', 'verdict', `a notice was ignored: ${messageOf(error)}`);
      }
    });
    void this.#stayConnected();
    void this.#http.run();
  }

  /** There is room for more. */
  poll(): void {
    this.#talk?.post({ kind: 'poll' });
    if (this.#talk === undefined) this.#http.hurry();
  }

  /** Only worth a look at the bundle, which proves itself or does not. */
  #hint({ artifact, level }: VerdictNotice): void {
    if (artifact !== null && level !== 'disputed') this.#onVerdict(artifact, level);
  }

  async #try(notice: OfferNotice, via: Via): Promise<void> {
    await this.consider(notice, via).catch((error) =>
      this.#context.tell('warn', 'offer', `an offer was ignored: ${messageOf(error)}`),
    );
  }

  async #take(data: Uint8Array): Promise<void> {
    await this.consider(decodeMessage(data, offerNoticeSchema, 'an offer notice'), 'gossip');
  }

  /** Everything about an offer that a worker can check, before its machine hears of it. */
  async consider(notice: OfferNotice, via: Via): Promise<void> {
    const { credentials, machine, dispatch } = this.#context;
    const { charter } = credentials;
    const claimed = claimedIdOf(notice.offer);
    if (claimed !== undefined && !machine.wants(claimed)) return;
    const offer = await openMessage('offer', notice.offer, joseVerifier);
    if (!machine.wants(offer.id)) return;
    checkOfferIssuer(enforce, offer, charter);
    const request = await openMessage('request', notice.request, joseVerifier);
    const publisher = await openMessage('grant', notice.publisher, joseVerifier);
    const { job, id: jobId } = decodeJob(toUtf8(notice.job));
    checkOffered(enforce, offer, { request, publisher, job, jobId }, { charter, now: Date.now() });
    this.#tellOf(offer.id, job.name, via);
    dispatch({ kind: 'offer', offer, request, job, jobId, entropy: randomBytes(18).toString('base64url') });
  }

  /** Once: an offer passed on while busy comes again with every backlog. */
  #tellOf(offer: string, name: string, via: Via): void {
    if (this.#told.has(offer)) return;
    if (this.#told.size >= toldMax) this.#told.clear();
    this.#told.add(offer);
    this.#context.tell('info', 'offer', `${name} is offered (by ${via})`, { offer, via });
  }

  async #stayConnected(): Promise<void> {
    const { signal, tell } = this.#context;
    let wait = 250;
    while (!signal.aborted) {
      try {
        await this.#session();
        wait = 250;
      } catch (error) {
        if (signal.aborted) return;
        if (this.#connected || wait === retryMsMax)
          tell('warn', 'feed', `no connection to the controller: ${messageOf(error)}`);
        if (this.#connected) wait = 250;
        this.#connected = false;
        await this.#findController();
      }
      await new Promise((resolve) => setTimeout(resolve, wait + Math.random() * 100));
      wait = Math.min(retryMsMax, wait * 2);
    }
  }

  /** A controller that moved is found through the DHT; one that found us says where it is now. */
  async #findController(): Promise<void> {
    const { mesh, credentials, signal } = this.#context;
    const [controller] = credentials.membership.controllers;
    if (controller === undefined) return;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(findMsMax)]);
    const found = await mesh.findPeer(controller.id, { signal: limit }).catch(() => []);
    // A relayed address ends in `/p2p-circuit`, after the relay's own id.
    const own = `/p2p/${controller.id}`;
    const addrs = found.map((addr) => (addr.endsWith(own) ? addr : `${addr}${own}`));
    await credentials.learnAddress(controller.id, addrs);
  }

  async #session(): Promise<void> {
    const { mesh, credentials, signal, tell } = this.#context;
    const [controller] = credentials.membership.controllers;
    if (controller === undefined) throw new QuorateError('CONTROLLER_UNREACHABLE', 'no controller is known');
    await credentials
      .renew(mesh, signal)
      .catch((error) => tell('warn', 'grant', `the grant could not be renewed: ${messageOf(error)}`));
    const limit = AbortSignal.any([signal, AbortSignal.timeout(openMsMax)]);
    const channel = await mesh.open(controller, protocols.feed, {
      signal: limit,
      maxMessageBytes: limits.bundleBytesMax,
    });
    const talk = new MessageStream<Up, Down>(channel, feedDownSchema, 'a feed message');
    const poll = setInterval(() => talk.post({ kind: 'poll' }), pollMs);
    // What is gossiped while connections are still being made can pass a newcomer by.
    const soon = setTimeout(() => talk.post({ kind: 'poll' }), settleMs);
    try {
      await talk.send({
        kind: 'hello',
        grant: credentials.grant.raw,
        capabilities: this.#lending.capabilities,
      });
      this.#talk = talk;
      for (;;) {
        const message = await talk.receive({ timeoutMs: 2 * pollMs, signal });
        if (message === undefined)
          throw new QuorateError('CONTROLLER_SILENT', 'the controller closed the feed');
        if (message.kind === 'error') throw new QuorateError(message.code, message.message);
        if (!this.#connected) {
          tell('info', 'connected', 'connected to the controller, waiting for jobs');
          void this.#findController();
        }
        this.#connected = true;
        this.#http.heard();
        await credentials.learnCharter(message.charter);
        await credentials.learnFeed(message.feed);
        for (const notice of message.offers) await this.#try(notice, 'backlog');
      }
    } finally {
      clearInterval(poll);
      clearTimeout(soon);
      this.#talk = undefined;
      await talk.close();
    }
  }
}
