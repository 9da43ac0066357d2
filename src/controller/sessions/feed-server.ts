import type { z } from 'zod';
import { codeOf, QuorateError } from '../../protocol/base/errors.ts';
import { isBelow, leastWorkerOf } from '../../protocol/base/least-version.ts';
import { limits } from '../../protocol/base/limits.ts';
import type { Grant, Verified } from '../../protocol/documents/index.ts';
import { sessionTimes } from '../../protocol/sessions/limits.ts';
import { errorMessage, MessageStream } from '../../protocol/sessions/message-stream.ts';
import type { Channel } from '../../protocol/sessions/ports.ts';
import type { SendRights } from '../../protocol/wire/bounds.ts';
import {
  type FeedUp,
  type feedDownSchema,
  feedUpSchema,
  type OfferNotice,
} from '../../protocol/wire/messages.ts';
import { behindText, type PeerVersion } from '../../protocol/wire/peer-version.ts';
import { refusalBy, signedCharter } from '../machine/members/charter.ts';
import { checkPresent } from '../machine/members/enrolment.ts';
import { unfilledOffers } from '../machine/rounds/claims.ts';
import { BacklogPass } from './backlog-pass.ts';
import { warnOfExpired } from './grants.ts';
import { type SharedPorts, servedProtocol, shownGrant } from './shared.ts';
import { askingError } from './start-inquiry.ts';

type Down = z.infer<typeof feedDownSchema>;

interface Feed {
  stream: MessageStream<Down, FeedUp>;
  /** Null where the worker states none: it gets no offer and no members that an older version refuses. */
  version: PeerVersion | null;
  /** Size of the checkpoint that it witnessed last on this stream. */
  witnessed: number | undefined;
}

/** `free`: looked up once for all who are told the same. */
interface Told {
  offers: OfferNotice[];
  free: string[];
  /** Whether further offers follow. */
  more?: boolean;
}

/** The controller's side of the feed protocol: presence of workers, and the backlog of open offers. */
export class FeedServer {
  readonly served = servedProtocol('feed', limits.bundleBytesMax, (channel) => this.#session(channel));
  readonly #ports: SharedPorts;
  readonly #feeds = new Map<string, Feed>();
  /** Ids of offers that are about to be told again. */
  readonly #again = new Set<string>();

  constructor(ports: SharedPorts) {
    this.#ports = ports;
  }

  /** Keys of the workers that are there. */
  get present(): Iterable<string> {
    return this.#feeds.keys();
  }

  /** Puts a checkpoint before some of them, each with the proof that it goes on from the last one that this worker witnessed. */
  checkpoint({ note, size }: { note: string; size: number }, to: Iterable<string>): void {
    const { log } = this.#ports.machine.state;
    for (const worker of to) {
      const feed = this.#feeds.get(worker);
      if (feed === undefined) continue;
      const { stream, witnessed } = feed;
      const isKnown = witnessed !== undefined && witnessed <= size;
      const since = isKnown ? { size: witnessed, proof: log.consistency(witnessed, size) } : undefined;
      stream.post({ kind: 'checkpoint', note, since });
    }
  }

  /**
   * Sends an offer of the backlog to every present worker, once together with those that follow within `toldTogetherMs`: each message names
   * all free offers.
   */
  pushAgain(id: string): void {
    const isFirst = this.#again.size === 0;
    this.#again.add(id);
    if (!isFirst) return;
    this.#ports.clock.after(sessionTimes.toldTogetherMs, () => {
      // One may have been withdrawn.
      const offers = [...this.#again].flatMap((one) => this.#ports.backlog.get(one) ?? []);
      this.#again.clear();
      if (this.#ports.clock.closing) return;
      for (let at = 0; at < offers.length; at += limits.feedOffersMax)
        this.push(offers.slice(at, at + limits.feedOffersMax));
    });
  }

  /** Sends offers, and the count of revocations, to every present worker: gossip repeats no message and may miss some. */
  push(offers: OfferNotice[]): void {
    const { charter } = this.#ports.machine.state;
    if (charter === null) return;
    const free = this.#free;
    for (const feed of this.#feeds.values())
      feed.stream.post(this.#answer(feed, charter.raw, { offers, free }));
  }

  /** Tells every present worker the charter in force. Resolves when it has left, or its stream has failed. */
  async tellCharter(): Promise<void> {
    const { charter } = this.#ports.machine.state;
    if (charter === null) return;
    const told = { offers: [], free: this.#free };
    const feeds = [...this.#feeds.values()];
    await Promise.allSettled(feeds.map((feed) => feed.stream.send(this.#answer(feed, charter.raw, told))));
  }

  /** The least version of workers that get offers. */
  get #least(): string | undefined {
    return leastWorkerOf(this.#ports.machine.state.charter?.payload);
  }

  get #free(): string[] {
    return unfilledOffers(this.#ports.machine.state);
  }

  #answer({ version }: Feed, charter: string, { offers, free, more = false }: Told): Down {
    const isStated = version !== null;
    const feed = [...this.#ports.feedUrls()];
    const revocations = this.#ports.machine.state.revocations.length;
    return {
      kind: 'backlog',
      charter,
      offers: isStated && !isBelow(version, this.#least) ? offers : [],
      revocations,
      ...(feed.length > 0 && { feed }),
      ...(more && isStated && { more }),
      checkpoint: this.#ports.checkpoints.current?.note,
      ...(isStated && { version: this.#ports.version, free }),
    };
  }

  /** @throws those for which the machine does not count a member as present. */
  #check(grant: Verified<Grant>): void {
    const { machine, clock } = this.#ports;
    checkPresent({ state: machine.state, now: clock.now() }, grant);
  }

  /** Why the machine does not count this member as present. */
  #refusal(grant: Verified<Grant>): QuorateError {
    const other = new QuorateError('KEY_NOT_ENROLLED', 'the grant does not let this key work here');
    return refusalBy(() => this.#check(grant)) ?? other;
  }

  /** Where the journal may be an older copy, or was one, a key that it does not have may be a member's: its grant shows that. */
  #sendRightsOf(peer: string): SendRights {
    const { inquiry, machine } = this.#ports;
    const mayBeMember = !inquiry.isOpen || machine.state.recovered;
    return mayBeMember ? { sender: 'member' } : this.#ports.admission.sendRightsOf(peer);
  }

  async #session(channel: Channel): Promise<void> {
    const { machine, dispatch, tell, inquiry } = this.#ports;
    const { peer } = channel;
    const sent = (bytes: number) => this.#ports.admission.answered(channel, bytes);
    const stream = new MessageStream<Down, FeedUp>(channel, feedUpSchema, 'a feed message', sent);
    const feed: Feed = { stream, version: null, witnessed: undefined };
    const pass = new BacklogPass(this.#ports.backlog);
    let worker: string | undefined;
    let granted: Verified<Grant> | undefined;
    try {
      for (;;) {
        const sendRights = () => this.#sendRightsOf(peer);
        const message = await this.#ports.admission.receive(stream, {
          protocol: 'feed',
          timeoutMs: sessionTimes.feedSilenceMs,
          sendRights,
        });
        if (message === undefined) break;
        if (message.kind === 'hello') {
          const grant = await shownGrant(this.#ports, message, peer);
          if (!inquiry.isOpen) {
            inquiry.hello(peer, grant);
            throw askingError(inquiry);
          }
          const { recovered, keys } = machine.state;
          if (recovered && !keys.has(peer)) await dispatch({ kind: 'readmit', grant });
          // A peer that the machine refuses is sent nothing.
          this.#check(grant);
          worker = peer;
          const { capabilities, version = null } = message;
          feed.version = version;
          const before = this.#feeds.get(peer);
          this.#feeds.set(peer, feed);
          // A hello that was long on its way must not leave the worker on a stream whose end it would not see.
          if (before !== undefined && before !== feed) void before.stream.close();
          await dispatch({ kind: 'present', grant, capabilities, version });
          if (!machine.state.presence.workers.has(peer)) throw this.#refusal(grant);
          // Later ones show a grant that was renewed.
          if (granted === undefined) {
            const { operator, role } = grant.payload;
            tell('info', 'present', `${operator} (${role}) is here`, { worker, operator });
            const behind = behindText(version, this.#least);
            if (behind !== undefined)
              tell('warn', 'behind', `the worker of ${operator} ${behind}`, { worker, operator });
          }
          granted = grant;
          inquiry.hello(peer, grant);
        } else if (worker === undefined)
          throw new QuorateError('FEED_NO_HELLO', 'the first message of a feed is a hello');
        // It was revoked since, or a charter left its key out.
        else if (granted !== undefined && !machine.state.presence.workers.has(worker))
          throw this.#refusal(granted);
        if (message.kind === 'witness') {
          await this.#ports.checkpoints.witness(worker, message);
          // Only one that was signed: of another size there may be no proof.
          if (message.size <= machine.state.log.size) feed.witnessed = message.size;
          continue;
        }
        const charter = signedCharter(machine);
        await stream.send(this.#answer(feed, charter.raw, { ...pass.next(), free: this.#free }));
      }
    } catch (error) {
      stream.post(errorMessage(error));
      warnOfExpired(this.#ports, peer, codeOf(error));
    } finally {
      if (worker !== undefined && this.#feeds.get(worker) === feed) {
        this.#feeds.delete(worker);
        void dispatch({ kind: 'absent', worker });
        this.#ports.checkpoints.settle();
        tell('info', 'absent', `${granted?.payload.operator ?? worker} is gone`, { worker });
      }
      await stream.close();
    }
  }
}
