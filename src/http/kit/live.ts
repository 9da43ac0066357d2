import type { ServerResponse } from 'node:http';
import type { Context } from 'hono';
import { type SSEStreamingApi, streamSSE } from 'hono/streaming';
import type { QuorateError } from '../../protocol/base/errors.ts';
import type { Account } from '../accounts.ts';
import type { HttpEnv } from '../env.ts';
import { httpLimits } from '../limits.ts';
import { securityHeaders } from '../security-headers.ts';
import { Slots } from '../slots.ts';

/** The next part for the followers of one channel; undefined while nothing is new. */
interface News {
  name: string;
  data: string;
  /** Given back by a client that connects again. */
  id: string;
  last?: boolean;
}

export interface Source {
  /** News after the event `id` ('' at first); undefined for none. Asked every `everyMs` while somebody follows. */
  next(id: string): Promise<News | undefined>;
  everyMs: number;
  /** Bytes of its events cost followers so many times those of an answer. Default: 1. */
  weight?: number;
}

interface Follower {
  response: ServerResponse;
  account: Account | undefined;
  /** The last event that it was sent. */
  id: string;
}

interface Channel {
  source: Source;
  followers: Set<Follower>;
  timer: NodeJS.Timeout | undefined;
}

const ping = Buffer.from(':\n\n');

/** Server-sent events of open pages. Followers that have seen the same get the same bytes; one that does not read is dropped. */
export class Live {
  readonly #channels = new Map<string, Channel>();
  readonly #followers = new Slots({
    max: httpLimits.followersMax,
    perClientMax: httpLimits.followersPerAddressMax,
    what: 'open pages',
  });
  readonly #pings: NodeJS.Timeout;

  constructor() {
    // More often than an idle connection is closed.
    this.#pings = setInterval(() => this.#ping(), httpLimits.idleMs / 3).unref();
  }

  get followers(): number {
    return this.#followers.taken;
  }

  close(): void {
    clearInterval(this.#pings);
    for (const { timer } of this.#channels.values()) clearTimeout(timer);
  }

  /** Follows a channel until the client is gone, or `until`. `since`: last event of the page. @throws HTTP_BUSY */
  follow(
    c: Context<HttpEnv>,
    key: string,
    source: () => Source,
    { since, until }: { since: string; until?: AbortSignal | undefined },
  ): Response {
    const { outgoing: response, client, account } = c.env;
    if (response === undefined || response.destroyed || c.req.method === 'HEAD')
      return new Response(null, { headers });
    const release = this.#followers.take(client);
    const channel = this.#channels.get(key) ?? { source: source(), followers: new Set(), timer: undefined };
    this.#channels.set(key, channel);
    const follower = { response, account, id: since };
    channel.followers.add(follower);
    const end = () => void response.destroy();
    until?.addEventListener('abort', end);
    response.once('close', () => {
      until?.removeEventListener('abort', end);
      release();
      this.#drop(key, channel, follower);
    });
    response.writeHead(200, { ...securityHeaders, ...headers });
    response.write('retry: 3000\n\n');
    if (channel.timer === undefined) this.#look(key, channel, 0);
    return new Response(null, { headers: { 'x-hono-already-sent': 'true' } });
  }

  #look(key: string, channel: Channel, ms: number): void {
    channel.timer = setTimeout(() => {
      this.#send(key, channel)
        .catch(() => {
          // A source that fails: its followers connect again, and are told what is wrong.
          for (const { response } of channel.followers) response.destroy();
        })
        .finally(() => {
          // Without followers it is no channel any more.
          if (this.#channels.get(key) === channel) this.#look(key, channel, channel.source.everyMs);
        });
    }, ms).unref();
  }

  /** One look for each group of followers that have seen the same. Who has used up what it gets waits for a later one. */
  async #send(key: string, channel: Channel): Promise<void> {
    const ready = [...channel.followers].filter(({ account }) => account?.isWaiting !== true);
    const groups = Map.groupBy(ready, ({ id }) => id);
    let looks = 0;
    for (const [id, followers] of groups) {
      // Those that connect again with ids of their own, each its own: some at a time.
      if (++looks > httpLimits.followerGroupsMax) break;
      // The others first, next time: nobody keeps them from their turn with ids that nothing comes after.
      for (const follower of followers)
        if (channel.followers.delete(follower)) channel.followers.add(follower);
      const news = await channel.source.next(id);
      if (news === undefined) continue;
      const bytes = encode(news);
      for (const follower of followers) {
        const { response } = follower;
        if (response.writableLength > httpLimits.followerBufferBytesMax) response.destroy();
        else response.write(bytes);
        follower.account?.sent(bytes.length, channel.source.weight);
        follower.id = news.id;
        if (news.last === true) response.end();
      }
      if (news.last === true) for (const follower of followers) this.#drop(key, channel, follower);
    }
  }

  #drop(key: string, channel: Channel, follower: Follower): void {
    channel.followers.delete(follower);
    if (channel.followers.size > 0) return;
    if (this.#channels.get(key) === channel) this.#channels.delete(key);
  }

  #ping(): void {
    for (const { followers } of this.#channels.values())
      for (const { response } of followers) if (response.writableLength === 0) response.write(ping);
  }
}

/** Server-sent events of one client alone. An owner, which is a session or a page, has a bounded number of streams open. */
export class OwnEvents {
  readonly #open = new WeakMap<object, number>();
  readonly #max: number;
  readonly #busy: () => QuorateError;

  /** `busy` makes the error that is thrown beyond `max`. */
  constructor(max: number, busy: () => QuorateError) {
    [this.#max, this.#busy] = [max, busy];
  }

  /** `send` is called once, and the stream ends when it returns. */
  stream(c: Context, owner: object, send: (stream: SSEStreamingApi) => Promise<void>): Response {
    if (c.req.method === 'HEAD') return c.body(null);
    const count = (change: number) => this.#open.set(owner, (this.#open.get(owner) ?? 0) + change);
    if ((this.#open.get(owner) ?? 0) >= this.#max) throw this.#busy();
    count(1);
    return streamSSE(c, (stream) => send(stream).finally(() => count(-1)));
  }
}

const headers = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  // Proxies that buffer would hold events back.
  'x-accel-buffering': 'no',
};

const encode = ({ name, data, id }: News): Buffer =>
  Buffer.from(
    `event: ${name}\nid: ${id}\n${data
      .split(/\r\n|\r|\n/)
      .map((line) => `data: ${line}\n`)
      .join('')}\n`,
  );
