import { Agent, request } from 'undici';
import type { z } from 'zod';
import { messageOf, QuorateError } from '../protocol/base/errors.ts';
import { escapeLine } from '../protocol/base/escape.ts';
import { wholeBytes } from '../protocol/base/whole-bytes.ts';
import type { ForgeErrorCode } from './error-codes.ts';
import { forgeLimits } from './limits.ts';

interface Call {
  method: 'GET' | 'POST';
  /** Below the base URL, with its query. */
  path: string;
  /** An object is sent as JSON, parameters as a form. */
  body?: Record<string, unknown> | URLSearchParams;
  signal: AbortSignal;
}

/** The first page of a list is read with each look; further ones in turn. */
const secondPage = 2;

/** The API of a forge at one address: bounded in time and size, without redirects, which would take the token elsewhere. */
export class ForgeApi {
  readonly #base: string;
  readonly #headers: Record<string, string>;
  readonly #agent = new Agent({ connect: { timeout: 10_000 }, pipelining: 1, connections: 4 });

  constructor(base: string, headers: Record<string, string>) {
    this.#base = base.replace(/\/+$/, '');
    this.#headers = headers;
  }

  /** @throws FORGE_UNREACHABLE, FORGE_REDIRECTED, FORGE_DENIED, FORGE_NOT_FOUND, FORGE_REFUSED, FORGE_ANSWER_INVALID */
  async call({ method, path, body, signal }: Call): Promise<unknown> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(forgeLimits.requestMsMax)]);
    const what = `${method} ${path}`;
    const form = body instanceof URLSearchParams;
    const type = form ? 'application/x-www-form-urlencoded' : 'application/json';
    let answer: { status: number; text: string };
    try {
      const { statusCode, body: answered } = await request(`${this.#base}${path}`, {
        method,
        dispatcher: this.#agent,
        signal: limit,
        headers: {
          accept: 'application/json',
          'user-agent': 'quorate',
          ...(body !== undefined && { 'content-type': type }),
          ...this.#headers,
        },
        body: body === undefined || form ? body?.toString() : JSON.stringify(body),
      });
      answer = { status: statusCode, text: await bounded(answered, what) };
    } catch (cause) {
      if (cause instanceof QuorateError) throw cause;
      signal.throwIfAborted();
      throw failure('FORGE_UNREACHABLE', what, messageOf(cause), cause);
    }
    check(what, answer);
    try {
      return JSON.parse(answer.text);
    } catch (cause) {
      throw failure('FORGE_ANSWER_INVALID', what, 'the answer is not JSON', cause);
    }
  }

  /** The first page, then pages from `from` until one is not full, at most `pagesMax` at once. `next`: where to go on. @throws as `call` */
  async pages<T>(
    path: (page: number) => string,
    schema: z.ZodType<readonly T[]>,
    signal: AbortSignal,
    from = secondPage,
  ): Promise<{ all: T[]; isWhole: boolean; next: number }> {
    const all = [...(await this.#page(path(1), schema, signal))];
    const begin = from > forgeLimits.listPagesMax ? secondPage : Math.max(secondPage, from);
    let isFull = all.length === forgeLimits.perPage;
    let next = begin;
    while (isFull && next < begin + forgeLimits.pagesMax - 1) {
      const more = await this.#page(path(next), schema, signal);
      all.push(...more);
      isFull = more.length === forgeLimits.perPage;
      next++;
    }
    return { all, isWhole: !isFull && begin === secondPage, next: isFull ? next : secondPage };
  }

  async #page<T>(path: string, schema: z.ZodType<readonly T[]>, signal: AbortSignal): Promise<readonly T[]> {
    return (await this.get(path, schema, signal)).slice(0, forgeLimits.perPage);
  }

  /** @throws as `call` */
  async get<T>(path: string, schema: z.ZodType<T>, signal: AbortSignal): Promise<T> {
    const { success, data, error } = schema.safeParse(await this.call({ method: 'GET', path, signal }));
    if (success) return data;
    const where = error.issues[0]?.path.map(String).join('.') || 'its root';
    throw failure('FORGE_ANSWER_INVALID', `GET ${path}`, `not as described at ${where}`);
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

async function bounded(body: AsyncIterable<Buffer>, what: string): Promise<string> {
  const max = forgeLimits.answerBytesMax;
  const tooLong = () => failure('FORGE_ANSWER_INVALID', what, `the answer is over ${max} bytes`);
  return Buffer.from(await wholeBytes(body, max, tooLong)).toString('utf8');
}

function check(what: string, { status, text }: { status: number; text: string }): void {
  if (status >= 200 && status < 300) return;
  const said = `${status}: ${escapeLine(text.trim(), 200)}`;
  if (status >= 300 && status < 400) throw failure('FORGE_REDIRECTED', what, `${status}`);
  if (status === 401 || status === 403) throw failure('FORGE_DENIED', what, said);
  if (status === 404) throw failure('FORGE_NOT_FOUND', what, said);
  if (status === 408 || status === 429 || status >= 500) throw failure('FORGE_UNREACHABLE', what, said);
  throw failure('FORGE_REFUSED', what, said);
}

const hints: Partial<Record<ForgeErrorCode, string>> = {
  FORGE_DENIED: 'Make a token that may set statuses and read pull requests, and put it into the token file.',
  FORGE_NOT_FOUND: 'Check "api" and "project" of [forge] in watch.toml.',
  FORGE_REDIRECTED: 'Write the final address into watch.toml.',
  FORGE_ANSWER_INVALID: 'Check "api" and "kind" of [forge] in watch.toml.',
};

function failure(code: ForgeErrorCode, what: string, says: string, cause?: unknown): QuorateError {
  return new QuorateError(code, `${escapeLine(what, 200)}: ${says}`, { hint: hints[code], cause });
}

/** Text of a forge, on one line and not too long. */
export const shown = (text: string): string => escapeLine(text, forgeLimits.textCharsMax);
