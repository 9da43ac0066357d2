import { Agent, get, type IncomingMessage } from 'node:http';
import { get as getByTls, Agent as TlsAgent } from 'node:https';
import { isIP, type LookupFunction, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type HostGate, isLiterally, openAddresses, type Resolve } from '../egress/index.ts';
import type { Rate } from '../protocol/base/bandwidth.ts';
import { messageOf, QuorateError } from '../protocol/base/errors.ts';
import { nodeLimits } from './limits.ts';

type Create = NonNullable<Agent['createConnection']>;

/**
 * GETs text from untrusted servers, on connections that `gate` counts and that are used again. `down` limits the rate of reading. No
 * private address is connected to.
 */
export class HttpClient {
  readonly #gate: HostGate | undefined;
  readonly #down: Rate | undefined;
  readonly #resolve: Resolve | undefined;
  readonly #agents: { http: Agent; https: TlsAgent };
  readonly #settle = new WeakMap<object, () => void>();

  constructor(gate?: HostGate, down?: Rate, resolve?: Resolve) {
    this.#gate = gate;
    this.#down = down;
    this.#resolve = resolve;
    const kept = { keepAlive: true, maxFreeSockets: 1, timeout: nodeLimits.httpIdleMs };
    this.#agents = { http: this.#counted(new Agent(kept)), https: this.#counted(new TlsAgent(kept)) };
  }

  /** Closes the connections that nobody uses at the moment. */
  close(): void {
    this.#agents.http.destroy();
    this.#agents.https.destroy();
  }

  /** Follows no redirect. `unchanged` while `etag`, that of the previous answer, still holds. @throws HTTP_FEED_FAILED, EGRESS_HOST_… */
  async text(
    url: string,
    { etag, maxBytes, signal }: { etag: string | undefined; maxBytes: number; signal: AbortSignal },
  ): Promise<'unchanged' | { text: string; etag: string | undefined }> {
    const failed = (why: string, cause?: unknown) =>
      new QuorateError('HTTP_FEED_FAILED', `${url}: ${why}`, { cause });
    let answer: IncomingMessage | undefined;
    let settle: (() => void) | undefined;
    try {
      answer = await this.#ask(new URL(url), etag, signal);
      // An answer that has ended has no socket any more.
      settle = this.#settle.get(answer.socket);
      const { statusCode, headers } = answer;
      if (statusCode === 304 && etag !== undefined) {
        answer.resume();
        return 'unchanged';
      }
      if (statusCode !== 200) throw failed(`answered ${statusCode}`);
      const chunks: Uint8Array[] = [];
      let bytes = 0;
      for await (const chunk of answer as AsyncIterable<Uint8Array>) {
        bytes += chunk.length;
        if (bytes > maxBytes) throw failed(`sends more than ${maxBytes} bytes`);
        chunks.push(chunk);
        const ms = this.#down?.charge(chunk.length, performance.now()) ?? 0;
        if (ms > 0) await sleep(ms, undefined, { signal });
      }
      return { text: Buffer.concat(chunks).toString('utf8'), etag: headers.etag?.slice(0, 100) };
    } catch (cause) {
      answer?.destroy();
      throw cause instanceof QuorateError ? cause : failed(messageOf(cause), cause);
    } finally {
      settle?.();
    }
  }

  #ask(url: URL, etag: string | undefined, signal: AbortSignal): Promise<IncomingMessage> {
    const headers = { accept: 'application/json', ...(etag !== undefined && { 'if-none-match': etag }) };
    const { http, https } = this.#agents;
    const isHttps = url.protocol === 'https:';
    // Also where a connection is used again: what is allowed, and how much, may have changed.
    this.#gate?.check({
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: Number(url.port || (isHttps ? 443 : 80)),
    });
    return new Promise((resolve, reject) => {
      const asked = isHttps
        ? getByTls(url, { agent: https, headers, signal }, resolve)
        : get(url, { agent: http, headers, signal }, resolve);
      asked.on('error', reject);
    });
  }

  /** The agent opens no connection that the gate has not counted, and only to the address that was counted. */
  #counted<T extends Agent>(agent: T): T {
    const create = agent.createConnection.bind(agent) as Create;
    agent.createConnection = (options, done) => {
      this.#connect(options, create).then(
        (socket) => done?.(null, socket),
        (error: Error) => done?.(error, undefined as never),
      );
      return undefined;
    };
    return agent;
  }

  async #connect(options: Parameters<Create>[0], create: Create): Promise<Socket> {
    const target = { host: options.host ?? '', port: Number(options.port) };
    const isItself = (found: string) => isLiterally(target.host, found);
    const [address = ''] = await openAddresses(target.host, isItself, this.#resolve);
    const passage = this.#gate?.open(target, address);
    const found: LookupFunction = (_name, _options, done) => done(null, address, isIP(address));
    // With a choice of families the lookup would have to give a list.
    const one = { ...options, autoSelectFamily: false, lookup: found };
    const socket = create(one) as Socket;
    let [received, sent] = [0, 0];
    const settle = (): void => {
      passage?.moved('receivedBytes', socket.bytesRead - received);
      passage?.moved('sentBytes', socket.bytesWritten - sent);
      [received, sent] = [socket.bytesRead, socket.bytesWritten];
    };
    this.#settle.set(socket, settle);
    socket.once('close', () => {
      settle();
      passage?.close();
    });
    return socket;
  }
}
