import { setTimeout as sleep } from 'node:timers/promises';
import type { Dispatcher, request } from 'undici';
import { messageOf, QuorateError } from '../../core/errors.ts';
import { fetchLimits } from './limits.ts';

/** An address, and what a registry wants to see with a request for it. */
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
    options: { status?: number; waitMs?: number; challenge?: string; cause?: unknown } = {},
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

export interface Got {
  body: Dispatcher.ResponseData['body'];
  /** Bytes before `body` that the server left out, since they were had already. */
  from: number;
}

export interface GetOptions {
  agent: Dispatcher;
  signal: AbortSignal;
  from?: number;
  accept?: string;
  /** Whether a redirect to an address is followed. */
  mayVisit?(url: URL): boolean;
}

/**
 * GETs a file, from byte `from` on where the server can. Follows redirects of http and https; credentials stay with their
 * host. The caller reads or destroys the body. Throws `NoAnswer`.
 */
export async function get(address: Address, options: GetOptions): Promise<Got> {
  const { agent, signal, from = 0, accept = '*/*', mayVisit = () => true } = options;
  let url = new URL(address.url);
  const { origin } = url;
  for (let hop = 0; hop <= fetchLimits.redirectsMax; hop++) {
    const { statusCode, headers, body } = await ask(url, {
      ...{ dispatcher: agent, signal },
      headers: {
        accept,
        // Bytes are compared with a hash: no encoding on the way.
        'accept-encoding': 'identity',
        ...(from > 0 && { range: `bytes=${from}-` }),
        ...(address.authorization !== undefined &&
          url.origin === origin && { authorization: address.authorization }),
      },
    });
    if (statusCode === 200) return { body, from: 0 };
    if (statusCode === 206 && String(headers['content-range']).startsWith(`bytes ${from}-`))
      return { body, from };
    await body.dump().catch(() => {});
    const { location } = headers;
    if (statusCode < 300 || statusCode >= 400 || typeof location !== 'string') {
      const seconds = Number(headers['retry-after']);
      const waitMs = Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : undefined;
      throw new NoAnswer(`answered ${statusCode}`, {
        status: statusCode,
        ...(waitMs !== undefined && { waitMs: Math.min(waitMs, fetchLimits.retryAfterMsMax) }),
        ...(url.origin === origin && challengeIn(headers)),
      });
    }
    url = redirected(location, url);
    if (!mayVisit(url)) throw new NoAnswer(`redirects to ${shown(url.href)}`, { status: 310 });
  }
  throw new NoAnswer(`redirects more than ${fetchLimits.redirectsMax} times`, { status: 310 });
}

function challengeIn({ 'www-authenticate': found }: Dispatcher.ResponseData['headers']): {
  challenge?: string;
} {
  const challenge = Array.isArray(found) ? found.join(', ') : found;
  return challenge === undefined ? {} : { challenge };
}

async function ask(
  url: URL,
  options: Parameters<typeof request>[1] & { signal: AbortSignal },
): Promise<Awaited<ReturnType<typeof request>>> {
  try {
    const { request: send } = await import('./http-client.ts');
    return await send(url, options);
  } catch (cause) {
    options.signal.throwIfAborted();
    throw new NoAnswer(messageOf(cause), { cause });
  }
}

function redirected(location: string, from: URL): URL {
  const to = URL.parse(location, from);
  if (to === null || !['http:', 'https:'].includes(to.protocol))
    throw new NoAnswer(`redirects to ${JSON.stringify(location.slice(0, 200))}`, { status: 310 });
  // A server of the open network cannot have the rest sent in the clear.
  if (from.protocol === 'https:' && to.protocol === 'http:')
    throw new NoAnswer(`redirects from https to http (${to.host})`, { status: 310 });
  return to;
}

/** An address without what may be a secret. */
export function shown(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

/** A whole text, such as a list of files. Throws `NoAnswer`, `DEPENDENCIES_TOO_LARGE`. */
export async function getText(
  address: Address,
  options: { agent: Dispatcher; signal: AbortSignal; accept: string },
): Promise<string> {
  const { body } = await get(address, options);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > fetchLimits.listBytesMax) {
      throw new QuorateError(
        'DEPENDENCIES_TOO_LARGE',
        `${shown(address.url)} sends more than ${fetchLimits.listBytesMax} bytes as a list of files`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
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
