import type { z } from 'zod';
import { openMessage } from '../../core/documents/index.ts';
import { QuorateError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { type feedDownSchema, feedUpSchema, type OfferNotice } from '../../core/wire/messages.ts';
import { protocols } from '../../core/wire/protocols.ts';
import { joseVerifier } from '../../identity/verifier.ts';
import { errorMessage, MessageStream } from '../node/message-stream.ts';
import { Pace } from '../node/pace.ts';
import type { ControllerContext } from './context.ts';

type Up = z.infer<typeof feedUpSchema>;
type Down = z.infer<typeof feedDownSchema>;

/** A worker asks for the backlog at least this often; one that is silent for longer is not present. */
const silenceMs = 90_000;

/** The pulled side of the feed: who is present, and every open offer for those whom gossip did not reach. */
export class ControllerFeed {
  readonly #context: ControllerContext;
  readonly #talks = new Map<string, MessageStream<Down, Up>>();
  readonly #pace = new Pace();

  constructor(context: ControllerContext) {
    this.#context = context;
  }

  serve(): void {
    this.#context.mesh.handle(
      protocols.feed,
      (channel) => this.#session(new MessageStream<Down, Up>(channel, feedUpSchema, 'a feed message')),
      {
        maxInboundStreams: 4,
        maxMessageBytes: limits.documentBytesMax,
        maxSendBytes: limits.bundleBytesMax,
      },
    );
  }

  /** Directly to everybody present: what gossip would not repeat. */
  push(notice: OfferNotice): void {
    const charter = this.#context.machine.state.charter;
    if (charter === null) return;
    for (const talk of this.#talks.values()) talk.post(this.#backlog(charter.raw, [notice]));
  }

  #backlog(charter: string, offers: OfferNotice[]): Down {
    const { feedUrls } = this.#context;
    return { kind: 'backlog', charter, offers, ...(feedUrls.length === 0 ? {} : { feed: feedUrls }) };
  }

  async #session(talk: MessageStream<Down, Up>): Promise<void> {
    const { machine, mesh, dispatch, tell, backlog } = this.#context;
    let worker: string | undefined;
    let release = () => {};
    try {
      for (;;) {
        const message = await talk.receive({ timeoutMs: silenceMs });
        if (message === undefined) break;
        if (message.kind === 'hello') {
          const grant = await openMessage('grant', message.grant, joseVerifier);
          if (grant.payload.sub !== talk.peer)
            throw new QuorateError('GRANT_KEY_MISMATCH', 'the grant is for another key');
          // The machine checks it all; a stranger does not get as far as its journal.
          if (!machine.state.keys.has(talk.peer)) throw notEnrolled();
          worker = talk.peer;
          this.#talks.set(worker, talk);
          dispatch({ kind: 'present', grant, capabilities: message.capabilities });
          if (!machine.state.present.has(worker)) throw notEnrolled();
          release();
          release = mesh.keep(worker);
          tell('info', 'present', `${grant.payload.operator} (${grant.payload.role}) is here`, {
            worker,
            operator: grant.payload.operator,
          });
        } else if (worker === undefined)
          throw new QuorateError('FEED_NO_HELLO', 'the first message of a feed is a hello');
        const charter = machine.state.charter;
        if (charter === null)
          throw new QuorateError('CONTROLLER_NOT_STARTED', 'the controller has no charter yet');
        await talk.send(this.#backlog(charter.raw, [...backlog.values()].slice(0, limits.feedOffersMax)));
        await this.#pace.wait(talk.peer);
      }
    } catch (error) {
      talk.post(errorMessage(error));
    } finally {
      release();
      if (worker !== undefined && this.#talks.get(worker) === talk) {
        this.#talks.delete(worker);
        dispatch({ kind: 'absent', worker });
        tell('info', 'absent', `${worker} is gone`, { worker });
      }
      await talk.close();
    }
  }
}

const notEnrolled = (): QuorateError =>
  new QuorateError('KEY_NOT_ENROLLED', 'the grant does not let this key work here');
