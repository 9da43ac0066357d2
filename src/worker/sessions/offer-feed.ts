import type { z } from 'zod';
import { codeOf, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { belowText, leastWorkerOf } from '../../protocol/base/least-version.ts';
import { limits } from '../../protocol/base/limits.ts';
import { allowCommand } from '../../protocol/base/shell-word.ts';
import { toUtf8 } from '../../protocol/base/text.ts';
import { type Charter, claimedIdOf, decodeJob } from '../../protocol/documents/index.ts';
import { hostsNamed, hostsOfJob } from '../../protocol/judge/hosts.ts';
import { checkOffered, checkOfferIssuer, enforce } from '../../protocol/judge/index.ts';
import { isConnectionError } from '../../protocol/sessions/ask.ts';
import { sessionTimes } from '../../protocol/sessions/limits.ts';
import { type ErrorMessage, errorFrom, MessageStream } from '../../protocol/sessions/message-stream.ts';
import { every, pause, spread } from '../../protocol/sessions/timing.ts';
import { checkStands } from '../../protocol/trust/index.ts';
import {
  decodeMessage,
  feedDownSchema,
  type feedUpSchema,
  type OfferNotice,
  offerNoticeSchema,
  type VerdictNotice,
  verdictNoticeSchema,
} from '../../protocol/wire/messages.ts';
import { workerOlder } from '../../protocol/wire/pass-reason.ts';
import { ownBehindText, type PeerVersion } from '../../protocol/wire/peer-version.ts';
import { protocols, topics } from '../../protocol/wire/protocols.ts';
import { type GrantRenewal, mayBeRenewed } from './grant-renewal.ts';
import { HttpFeed, type HttpFeedTimings } from './http-feed.ts';
import { workerSessionLimits } from './limits.ts';
import type { LogWitness, Since } from './log-witness.ts';
import type { WorkerPorts } from './ports.ts';
import { PostponedOffers } from './postponed-offers.ts';
import type { VerdictOn } from './publication.ts';
import { isExpelled, type RevocationFeed } from './revocation-feed.ts';

/** Hosts that the project names and the operator has not allowed: each is told once, when a charter or the controller first names it. */
class NamedHosts {
  readonly #ports: Pick<WorkerPorts, 'credentials' | 'machine' | 'tell'>;
  #seen: { charter: Charter; feed: string[] | undefined } | undefined;
  #told = new Set<string>();

  constructor(ports: Pick<WorkerPorts, 'credentials' | 'machine' | 'tell'>) {
    this.#ports = ports;
  }

  /** To be called when charter or membership may have changed. */
  look(): void {
    const { credentials, machine, tell } = this.#ports;
    const { charter, membership } = credentials;
    const { feed } = membership;
    if (this.#seen?.charter === charter && this.#seen.feed === feed) return;
    this.#seen = { charter, feed };
    const refused = machine.refused(hostsNamed(charter, feed));
    for (const host of refused.filter((one) => !this.#told.has(one))) {
      const name = escapeLine(host, 200);
      const says = `the project names ${name}, to which this worker does not connect; to allow it: ${allowCommand(name)}`;
      tell('warn', 'host-named', says, { host, epoch: charter.epoch });
    }
    // One that is named no more is told again when it comes back.
    this.#told = new Set(refused);
  }
}

type Up = z.infer<typeof feedUpSchema>;
type Down = z.infer<typeof feedDownSchema>;

const backlogAnswersMax = Math.ceil(limits.openRequestsMax / limits.feedOffersMax);
/** Offers whose arrival was told to the operator; a forgotten one is told again. */
const toldMax = 1_000;

type Via = 'gossip' | 'backlog' | 'http';

/**
 * The worker's side of the feed: offers come by gossip, by a stream to the controller that brings the backlog to late
 * joiners and cut-off peers, and while both are silent by the controller's HTTP feed.
 */
export class OfferFeed {
  readonly #ports: WorkerPorts;
  readonly #grants: GrantRenewal;
  readonly #onVerdict: (verdict: VerdictOn) => void;
  #stream: MessageStream<Up, Down> | undefined;
  #connected = false;
  /** Why the last connection ended or could not be made. */
  #lost: string | null = null;
  readonly #told = new Set<string>();
  /** Offers that this version cannot read, and that were passed on for it. */
  readonly #unread = new Set<string>();
  /** The charter in force, where this version cannot read it. */
  #unreadCharter: string | undefined;
  #controller: PeerVersion | undefined;
  readonly #pass: (offer: string) => void;
  readonly #postponed: PostponedOffers;
  readonly #http: HttpFeed;
  readonly #hosts: NamedHosts;
  readonly #revocations: RevocationFeed;
  readonly #witness: LogWitness;

  constructor(
    ports: WorkerPorts,
    grants: GrantRenewal,
    timings: HttpFeedTimings,
    { revocations, witness }: { revocations: RevocationFeed; witness: LogWitness },
    { onVerdict, pass }: { onVerdict(verdict: VerdictOn): void; pass(offer: string): void },
  ) {
    this.#ports = ports;
    this.#grants = grants;
    this.#onVerdict = onVerdict;
    this.#pass = pass;
    this.#revocations = revocations;
    this.#witness = witness;
    this.#postponed = new PostponedOffers(ports.clock);
    this.#hosts = new NamedHosts(ports);
    this.#http = new HttpFeed(ports, timings, {
      offer: (notice) => this.#consider(notice, 'http'),
      verdict: (notice) => this.#verdict(notice),
      revocations: (list) => revocations.learn(list, ports.clock.now()),
      checkpoint: (note) => void witness.hear(() => note),
    });
  }

  /** Begins to listen. Only after `started` is journaled: the machine forgets offers that came before it. */
  start(): void {
    const { credentials, subscribe, tell } = this.#ports;
    const { project } = credentials.membership;
    const accepts = (author: string) => credentials.charter.controllers.includes(author);
    this.#hosts.look();
    subscribe(topics.offers(project), accepts, (data) => {
      this.#http.heard();
      try {
        void this.#consider(decodeMessage(data, offerNoticeSchema, 'an offer notice'), 'gossip');
      } catch (error) {
        tell('warn', 'offer', `an offer was ignored: ${messageOf(error)}`);
      }
    });
    subscribe(topics.verdicts(project), accepts, (data) => {
      this.#http.heard();
      try {
        this.#verdict(decodeMessage(data, verdictNoticeSchema, 'a verdict notice'));
      } catch (error) {
        tell('warn', 'verdict', `a notice was ignored: ${messageOf(error)}`);
      }
    });
    this.#revocations.start(accepts);
    this.#witness.start(accepts);
    void this.#stayConnected();
    void this.#http.run();
  }

  /** Why no job may reach this worker; null while it is connected. */
  get trouble(): string | null {
    if (this.#unreadCharter !== undefined) return `${this.#unreadCharter}: update Quorate here`;
    if (this.#connected) return null;
    return `no connection to the controller${this.#lost === null ? ' yet' : `: ${this.#lost}`}`;
  }

  /** Says how this version is behind the controller's; null where it is not, as far as is known. */
  get behind(): string | null {
    if (this.#below !== undefined) return `${this.#below}: update Quorate here`;
    return this.#controller === undefined ? null : (ownBehindText(this.#controller) ?? null);
  }

  /** Says how this worker is below the least version of the charter; undefined where it is not. */
  get #below(): string | undefined {
    const { version, credentials } = this.#ports;
    return belowText(version, leastWorkerOf(credentials.charter));
  }

  /** Asks for the backlog: there is room for more work. */
  poll(): void {
    this.#stream?.post({ kind: 'poll' });
    if (this.#stream === undefined) this.#http.hurry();
  }

  /** A notice is a hint that there is a bundle; only the bundle proves anything. */
  #verdict({ artifact, level, mirrors, request }: VerdictNotice): void {
    this.#postponed.settled(request);
    if (artifact !== null && level !== 'disputed') this.#onVerdict({ artifact, level, mirrors, request });
  }

  async #consider(notice: OfferNotice, via: Via, waitedMs?: number): Promise<void> {
    // A result would be void.
    if (this.#witness.isVoid) return;
    const id = claimedIdOf(notice.offer);
    if (id !== undefined && this.#unread.has(id)) return;
    await this.#check(notice, via, waitedMs).catch((error) => {
      const code = codeOf(error);
      if (id !== undefined && (code === 'DOC_NEWER' || code === 'WORKER_OLDER'))
        return this.#passUnread(id, messageOf(error));
      this.#ports.tell('warn', 'offer', `an offer was ignored: ${messageOf(error)}`, { code });
    });
  }

  /** Once per offer: it comes again with every backlog. */
  #passUnread(offer: string, why: string): void {
    if (this.#unread.size >= workerSessionLimits.unreadMax) this.#unread.clear();
    this.#unread.add(offer);
    const says = `takes no slot: ${why}. Update Quorate here`;
    this.#ports.tell('warn', 'pass', says, { offer, pass: workerOlder });
    this.#pass(offer);
  }

  /** Checks everything about an offer that a worker can check, before its machine gets it. */
  async #check(notice: OfferNotice, via: Via, waitedMs?: number): Promise<void> {
    const { credentials, machine, dispatch, signing, clock, dial } = this.#ports;
    const { documents } = signing;
    const claimed = claimedIdOf(notice.offer);
    if (claimed !== undefined) {
      if (!machine.wants(claimed) || this.#postponed.has(claimed, notice)) return;
      const later = (same: OfferNotice, ms: number) => void this.#consider(same, via, ms);
      const isNew = waitedMs === undefined;
      if (isNew && this.#postponed.put(claimed, notice, credentials.grant.payload, later)) return;
    }
    const offer = await documents.message('offer', notice.offer);
    if (!machine.wants(offer.id)) return;
    checkOfferIssuer(enforce, offer, credentials.charter);
    // Judged and built under an older charter, the job could be refused or fail for what its owner has allowed since.
    await credentials.catchUp(offer.payload.charter, dial);
    if (this.#below !== undefined) throw new QuorateError('WORKER_OLDER', this.#below);
    const request = await documents.message('request', notice.request);
    const publisher = await documents.message('grant', notice.publisher);
    const { job, id: jobId } = decodeJob(toUtf8(notice.job));
    this.#hosts.look();
    const { charter, membership } = credentials;
    checkStands(this.#ports.revocations.revoked, charter, { offer, request, publisher, job, jobId });
    checkOffered(enforce, offer, { request, publisher, job, jobId }, { charter, now: clock.now() });
    this.#tellOf(offer.id, job.name, via);
    const entropy = signing.nonce();
    const checked = { offer, request, job, jobId, entropy, hosts: hostsOfJob(job, charter, membership.feed) };
    await dispatch({ kind: 'offer', ...checked, ...(waitedMs !== undefined && { waitedMs }) });
  }

  /** Once per offer: one that was passed on while busy comes again with every backlog. */
  #tellOf(offer: string, name: string, via: Via): void {
    if (this.#told.has(offer)) return;
    if (this.#told.size >= toldMax) this.#told.clear();
    this.#told.add(offer);
    this.#ports.tell('info', 'offer', `${name} is offered (by ${via})`, { offer, via });
  }

  async #stayConnected(): Promise<void> {
    const { clock, credentials, signing, tell } = this.#ports;
    let wait: number = sessionTimes.feedRetryMsMin;
    while (!clock.closing) {
      try {
        await this.#session();
        wait = sessionTimes.feedRetryMsMin;
      } catch (error) {
        if (clock.closing) return;
        this.#lost = messageOf(error);
        this.#postponed.lost();
        if (this.#connected || wait === sessionTimes.feedRetryMsMax)
          tell('warn', 'feed', `no connection to the controller: ${messageOf(error)}`);
        if (this.#connected) wait = sessionTimes.feedRetryMsMin;
        this.#connected = false;
        if (codeOf(error) === 'CONTROLLER_ASKING') {
          await pause(clock, sessionTimes.askingRetryMs * spread(signing));
          wait = sessionTimes.feedRetryMsMin;
          continue;
        }
        if (mayBeRenewed(codeOf(error))) await this.#grants.refresh(credentials.grant);
        if (isExpelled(codeOf(error))) {
          wait = sessionTimes.expelledMs;
          tell('warn', 'feed', `no job can be taken: ${messageOf(error)}`);
        } else {
          await this.#findController();
          if (isConnectionError(error) && (await this.#searchControllers()))
            wait = sessionTimes.feedRetryMsMin;
        }
      }
      await pause(clock, wait * spread(signing));
      wait = Math.min(sessionTimes.feedRetryMsMax, wait * 2);
    }
  }

  /** Looks the controller up in the DHT: it may have other addresses by now. */
  async #findController(): Promise<void> {
    const { credentials, findPeer, tell } = this.#ports;
    const { id } = credentials.controller;
    const found = await findPeer(id, sessionTimes.findMs);
    // A relayed address ends in `/p2p-circuit`, after the relay's own id.
    const own = `/p2p/${id}`;
    const addrs = found.map((addr) => (addr.endsWith(own) ? addr : `${addr}${own}`));
    await credentials
      .learnAddress(id, addrs)
      .catch((error) => tell('warn', 'address', `an address was not kept: ${messageOf(error)}`));
  }

  /** Whether the controller turned out to have another key. */
  async #searchControllers(): Promise<boolean> {
    const { credentials, dial, findMembers, tell } = this.#ports;
    const search = async () => credentials.searchControllers(dial, await findMembers(sessionTimes.findMs));
    // Such as a home that cannot be written: the feed is tried again all the same.
    const hasFound = await search().catch((error) => {
      tell('warn', 'address', `what was found of the controller was not kept: ${messageOf(error)}`);
      return false;
    });
    if (!hasFound) return false;
    const { membership, charter } = credentials;
    const ids = membership.controllers.map(({ id }) => id).join(', ');
    tell('info', 'controller', `the charter of epoch ${charter.epoch} names another controller: ${ids}`);
    return true;
  }

  /** A charter that is newer than this version stays unread, and so do the offers under it. */
  async #learnCharter(raw: string): Promise<void> {
    const { credentials, tell } = this.#ports;
    try {
      const { epoch } = credentials.charter;
      await credentials.learnCharter(raw);
      this.#unreadCharter = undefined;
      if (credentials.charter.epoch === epoch) return;
      this.#unread.clear();
      if (this.#below !== undefined)
        tell('warn', 'charter', `no job can be taken: ${this.#below}. Update Quorate here`);
    } catch (error) {
      if (codeOf(error) !== 'DOC_NEWER') throw error;
      if (this.#unreadCharter === undefined)
        tell('warn', 'charter', `no job can be taken: ${messageOf(error)}. Update Quorate here`);
      this.#unreadCharter = messageOf(error);
    }
  }

  async #session(): Promise<void> {
    const { dial, credentials, clock, tell, lending, version } = this.#ports;
    await this.#grants.renewDue();
    const channel = await dial(credentials.controller, protocols.feed, {
      timeoutMs: sessionTimes.openMs,
      maxMessageBytes: limits.bundleBytesMax,
    });
    const stream = new MessageStream<Up, Down>(channel, feedDownSchema, 'a feed message');
    let said: string | undefined;
    const hello = (): Up => {
      said = credentials.grant.id;
      return { kind: 'hello', grant: credentials.grant.raw, capabilities: lending.capabilities, version };
    };
    // The controller counts a witness under the grant that it was shown: one that was renewed since is shown as well.
    const poll = () => stream.post(said === credentials.grant.id ? { kind: 'poll' } : hello());
    /** Size of the last checkpoint that was answered on this stream. */
    let witnessed: number | undefined;
    // A round may be of the same checkpoint again, for lines of now.
    const witness = (note: string, isRound: boolean, since?: Since) => {
      const answer = (size: number, line: string) => {
        if (size === witnessed && !isRound) return;
        witnessed = size;
        stream.post({ kind: 'witness', size, line });
      };
      void this.#witness.witness(note, answer, since);
    };
    const stopPolling = every(clock, sessionTimes.pollMs, poll);
    const cancelFirst = clock.after(sessionTimes.firstPollMs, poll);
    try {
      await stream.send(hello());
      this.#stream = stream;
      let following = 0;
      for (;;) {
        const message = await stream.receive({ timeoutMs: 2 * sessionTimes.pollMs });
        if (message === undefined)
          throw new QuorateError('CONTROLLER_SILENT', 'the controller closed the feed');
        if (message.kind === 'error') throw refusalFrom(message);
        if (message.kind === 'checkpoint') {
          witness(message.note, true, message.since);
          continue;
        }
        if (!this.#connected) {
          tell('info', 'connected', 'connected to the controller, waiting for jobs');
          void this.#findController();
        }
        this.#connected = true;
        this.#http.heard();
        this.#controller = message.version;
        await this.#learnCharter(message.charter);
        await credentials.learnFeed(message.feed);
        this.#hosts.look();
        await this.#revocations.heard(message.revocations);
        if (message.checkpoint !== undefined) witness(message.checkpoint, false);
        this.#postponed.told(message.free);
        for (const notice of message.offers) await this.#consider(notice, 'backlog');
        // As many in a row as a whole backlog takes; after that at the usual pace.
        following = message.more === true && following < backlogAnswersMax ? following + 1 : 0;
        if (following > 0) poll();
      }
    } finally {
      stopPolling();
      cancelFirst();
      if (this.#stream === stream) this.#stream = undefined;
      await stream.close();
    }
  }
}

/** A controller that does not know the members of a hello is older than this worker: a newer one leaves out what it does not know. */
function refusalFrom(message: ErrorMessage): QuorateError {
  const cause = errorFrom(message);
  if (message.code !== 'WIRE_INVALID') return cause;
  const says = 'the controller is of an older version, and does not understand this worker';
  return new QuorateError('CONTROLLER_OLDER', says, { hint: 'The owner of the project updates it.', cause });
}
