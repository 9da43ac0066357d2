import { setTimeout as sleep } from 'node:timers/promises';
import type { Dispatcher, request } from 'undici';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { LeastRate } from '../../protocol/base/least-rate.ts';
import type { Agent } from './agent.ts';
import { fetchLimits } from './limits.ts';

export interface Address {
  url: string;
  /** Value of `authorization`, sent to this host only. */
  authorization?: string;
}

/** A server's answer that gives no file. `status` is absent where there was no answer. */
export class NoAnswer extends Error {
  readonly status: number | undefined;
  /** The wait before another try that the server asks for. */
  readonly waitMs: number | undefined;
  /** `www-authenticate` of the server that was asked; absent where it comes from one that this redirects to. */
  readonly challenge: string | undefined;

  constructor(
    message: string,
    options: {
      status?: number;
      waitMs?: number | undefined;
      challenge?: string | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: options.cause });
    this.status = options.status;
    this.waitMs = options.waitMs;
    this.challenge = options.challenge;
  }

  /** Whether the same request may succeed later. */
  get passes(): boolean {
    return this.status === undefined || this.status >= 500 || this.status === 429 || this.status === 408;
  }
}

/** A body longer than it may be: another try gets no other. */
export class TooLong extends NoAnswer {}

export interface Got {
  /** Throws `NoAnswer` where it ends early or comes too slowly, `TooLong`. */
  body: AsyncIterable<Uint8Array>;
  /** Bytes before `body` that the server left out, since they were had already. */
  from: number;
}

export interface GetOptions {
  agent: Agent;
  signal: AbortSignal;
  /** Bytes of the whole file; of an answer that does not state its length also `undeclaredBytesMax`, unless `isSize`. */
  bytesMax: number;
  /** Whether `bytesMax` is the size of the file, known from elsewhere. */
  isSize?: boolean;
  from?: number;
  accept?: string;
  /** Whether a redirect to an address is followed, if the agent may connect to it. */
  mayVisit?(url: URL): boolean;
}

/** A status for a way that is not gone: another try would be led there again. */
const notFollowed = 310;

/** GETs a file from byte `from`. Follows checked http(s) redirects; credentials stay with their host. @throws NoAnswer, TooLong */
export async function get(address: Address, options: GetOptions): Promise<Got> {
  const { agent, signal, from = 0, accept = '*/*', mayVisit = () => true } = options;
  let url = new URL(address.url);
  const { origin } = url;
  for (let hop = 0; hop <= fetchLimits.redirectsMax; hop++) {
    const { statusCode, headers, body } = await ask(url, agent, {
      signal,
      headers: {
        accept,
        // Bytes are compared with a hash: no encoding on the way.
        'accept-encoding': 'identity',
        ...(from > 0 && { range: `bytes=${from}-` }),
        ...(address.authorization !== undefined &&
          url.origin === origin && { authorization: address.authorization }),
      },
    });
    // An error before it is read would otherwise end the process.
    body.on('error', () => {});
    const isRest = statusCode === 206 && String(headers['content-range']).startsWith(`bytes ${from}-`);
    if (statusCode === 200 || isRest) {
      const begin = isRest ? from : 0;
      return { body: bounded(body, headers, begin, options), from: begin };
    }
    // Closes the connection: what else comes of it could be without end.
    body.destroy();
    const { location } = headers;
    if (statusCode < 300 || statusCode >= 400 || typeof location !== 'string') {
      const seconds = Number(headers['retry-after']);
      const challenge = url.origin === origin ? headers['www-authenticate'] : undefined;
      throw new NoAnswer(`answered ${statusCode}`, {
        status: statusCode,
        waitMs:
          Number.isFinite(seconds) && seconds > 0
            ? Math.min(seconds * 1_000, fetchLimits.retryAfterMsMax)
            : undefined,
        challenge: Array.isArray(challenge) ? challenge.join(', ') : challenge,
      });
    }
    url = redirected(location, url);
    if (!mayVisit(url)) throw new NoAnswer(`redirects to ${shown(url.href)}`, { status: notFollowed });
  }
  throw new NoAnswer(`redirects more than ${fetchLimits.redirectsMax} times`, { status: notFollowed });
}

/** The bytes of an answer, of which those before `from` are here. Throws at once where it says that it is too long. */
function bounded(
  body: Dispatcher.ResponseData['body'],
  { 'content-length': length }: Dispatcher.ResponseData['headers'],
  from: number,
  { bytesMax, isSize = false }: GetOptions,
): AsyncGenerator<Uint8Array> {
  const { undeclaredBytesMax, leastRateMs } = fetchLimits;
  const max = length === undefined && !isSize ? Math.min(bytesMax, undeclaredBytesMax) : bytesMax;
  const tooLong = (bytes: number): TooLong => {
    body.destroy();
    return new TooLong(`sends ${bytes} bytes or more; at most ${max} are read`, { status: 200 });
  };
  const stated = from + Number(length ?? 0);
  if (stated > max) throw tooLong(stated);
  return parts();

  async function* parts(): AsyncGenerator<Uint8Array> {
    const rate = new LeastRate(leastRateMs);
    const reader = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    let size = from;
    try {
      for (;;) {
        const asked = performance.now();
        const { done, value } = await reader.next().catch((cause: unknown) => {
          throw new NoAnswer(`ends after ${size} bytes: ${messageOf(cause)}`, { cause });
        });
        if (done === true) return;
        size += value.length;
        if (size > max) throw tooLong(size);
        if (rate.isBelow(value.length, performance.now() - asked))
          throw new NoAnswer(`sends too slowly: ${size} bytes are here`);
        yield value;
      }
    } finally {
      body.destroy();
    }
  }
}

async function ask(
  url: URL,
  agent: Agent,
  options: { signal: AbortSignal; headers: Record<string, string> },
): Promise<Awaited<ReturnType<typeof request>>> {
  const late = new AbortController();
  const { headMs } = fetchLimits;
  const timer = setTimeout(() => late.abort(new Error(`no answer within ${headMs / 1000} s`)), headMs);
  try {
    await agent.admit(url);
    const { request: send } = await import('./http-client.ts');
    const signal = AbortSignal.any([options.signal, late.signal]);
    return await send(url, { ...options, signal, dispatcher: agent.dispatcher });
  } catch (cause) {
    options.signal.throwIfAborted();
    const isRefused = cause instanceof QuorateError;
    const says = isRefused ? `is not asked: ${cause.message}` : messageOf(cause);
    throw new NoAnswer(says, { cause, ...(isRefused && { status: notFollowed }) });
  } finally {
    clearTimeout(timer);
  }
}

function redirected(location: string, from: URL): URL {
  const to = URL.parse(location, from);
  if (to === null || !['http:', 'https:'].includes(to.protocol))
    throw new NoAnswer(`redirects to ${JSON.stringify(location.slice(0, 200))}`, { status: notFollowed });
  // A server of the open network cannot have the rest sent in the clear.
  if (from.protocol === 'https:' && to.protocol === 'http:')
    throw new NoAnswer(`redirects from https to http (${to.host})`, { status: notFollowed });
  return to;
}

/** An address without what may be a secret. */
export function shown(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

/** A whole body in memory. Throws as `get`. */
export async function getBytes(address: Address, options: GetOptions): Promise<Buffer> {
  return wholeOf(await get(address, options));
}

export async function wholeOf({ body }: Got): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Asks without credentials first, since what everybody gets is public; `refused` may throw before they are sent. */
export async function publicFirst<T>(
  { url, authorization }: Address,
  take: (address: Address) => Promise<T>,
  refused: (error: NoAnswer) => void = () => {},
): Promise<T> {
  try {
    return await take({ url });
  } catch (error) {
    const isRefused = error instanceof NoAnswer && [401, 403, 404].includes(error.status ?? 0);
    if (!isRefused || authorization === undefined) throw error;
    refused(error);
    return take({ url, authorization });
  }
}

/** Does it again where the server may answer later, as often as `fetchLimits.attempts` says. */
export async function retried<T>(signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
  for (let n = 1; ; n++) {
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof NoAnswer) || !error.passes || n === fetchLimits.attempts) throw error;
      await sleep(error.waitMs ?? n * fetchLimits.retryMs, undefined, { signal });
    }
  }
}
