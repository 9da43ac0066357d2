import { pipeline, Readable } from 'node:stream';
import { promisify } from 'node:util';
import { brotliCompress, constants, createBrotliCompress, createGzip, gzip } from 'node:zlib';
import type { Context, MiddlewareHandler } from 'hono';
import type { Account } from './accounts.ts';
import { afterAnswer, type HttpEnv } from './env.ts';
import { httpLimits } from './limits.ts';
import { compressWeight } from './prices.ts';
import { Slots } from './slots.ts';
import { paid } from './stream.ts';

export type Encoding = 'br' | 'gzip';

/** Of what a client takes (RFC 9110, section 12.5.3); undefined for the bytes as they are. */
export function encodingOf(accepted: string | undefined): Encoding | undefined {
  const weights = new Map(
    (accepted ?? '').split(',').map((one) => {
      const [name = '', ...more] = one.split(';').map((part) => part.trim().toLowerCase());
      const weight = more.find((part) => part.startsWith('q='));
      return [name, weight === undefined ? 1 : Number(weight.slice(2))];
    }),
  );
  const takes = (name: Encoding) => (weights.get(name) ?? weights.get('*') ?? 0) > 0;
  return takes('br') ? 'br' : takes('gzip') ? 'gzip' : undefined;
}

/** Texts. An event stream is none of them: its events are to arrive at once. */
const textual =
  /^(?:text\/(?:html|plain|css|javascript)|application\/(?:[a-z.-]+\+)?json|image\/svg\+xml)\b/i;

/** Whether answers of this type are compressed, each as its client takes it. */
export const isText = (type: string): boolean => textual.test(type);

/** Cookies of our own sessions, in any service of ours. */
const ownCookie = /(?:^|;\s*)(?:__Host-)?quorate-/;

/**
 * Whether the answer is made for one person: it may hold their token beside what somebody else had them ask for, and its size would tell
 * one from the other (BREACH).
 */
const isPersonal = ({ req }: Context): boolean =>
  req.header('authorization') !== undefined || ownCookie.test(req.header('cookie') ?? '');

/** Compresses texts as they are sent, each from a bounded number of places (docs/adr/0096-compression.md). */
export function compress(): MiddlewareHandler<HttpEnv> {
  const places = new Slots({
    max: httpLimits.compressionsMax,
    perClientMax: httpLimits.compressionsPerAddressMax,
    what: 'compressed answers',
  });
  return async (c, next) => {
    await next();
    const { headers, status } = c.res;
    if (status !== 200 || !isText(headers.get('content-type') ?? '')) return;
    if (headers.has('content-encoding')) return;
    if (headers.get('vary') !== 'accept-encoding') headers.append('vary', 'accept-encoding');
    const encoding = encodingOf(c.req.header('accept-encoding'));
    const size = Number(headers.get('content-length') ?? Number.POSITIVE_INFINITY);
    const isAsked = c.req.method === 'GET' || c.req.method === 'HEAD';
    if (encoding === undefined || !isAsked || isPersonal(c) || size < httpLimits.compressedBytesMin) return;
    const release = places.tryTake(c.env?.client);
    if (release === undefined) return;
    if (c.res.body === null) release();
    else if (c.get('isCounted') === true) {
      afterAnswer(c, release);
      c.res = new Response(streamed(c.res.body, encoding, c.env?.account), c.res);
    } else {
      const body = await whole(c, encoding).finally(release);
      if (body === undefined) return;
      c.res = new Response(body, c.res);
    }
    c.res.headers.set('content-encoding', encoding);
    c.res.headers.delete('content-length');
    // Another program may compress the same bytes to others.
    const etag = c.res.headers.get('etag');
    if (etag?.startsWith('"')) c.res.headers.set('etag', `W/${etag}`);
  };
}

const brotli = (quality: number) => ({
  params: {
    [constants.BROTLI_PARAM_QUALITY]: quality,
    [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
    // As much of the text as gzip looks back at, times eight.
    [constants.BROTLI_PARAM_LGWIN]: 18,
  },
});

/** Levels for what is compressed each time it is sent. */
const fast = { gzip: { level: 4 }, br: brotli(4) };

const [gzipped, brotlied] = [promisify(gzip), promisify(brotliCompress)];

async function whole(c: Context<HttpEnv>, encoding: Encoding): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const body = new Uint8Array(await c.res.arrayBuffer());
  // It was read: whatever comes of it is sent from here.
  c.res = new Response(body, c.res);
  if (body.length < httpLimits.compressedBytesMin) return undefined;
  c.set('isCounted', true);
  c.env?.account?.sent(body.length, 1 + compressWeight);
  return Uint8Array.from(await (encoding === 'br' ? brotlied(body, fast.br) : gzipped(body, fast.gzip)));
}

/** Each chunk is charged for, and leaves before the next one comes. */
function streamed(
  body: ReadableStream<Uint8Array>,
  encoding: Encoding,
  account: Account | undefined,
): ReadableStream<Uint8Array> {
  const flush = encoding === 'br' ? constants.BROTLI_OPERATION_FLUSH : constants.Z_SYNC_FLUSH;
  const packer =
    encoding === 'br' ? createBrotliCompress({ ...fast.br, flush }) : createGzip({ ...fast.gzip, flush });
  // A failure reaches who reads the packer.
  pipeline(Readable.from(charged(body, account)), packer, () => {});
  return Readable.toWeb(packer) as ReadableStream<Uint8Array>;
}

async function* charged(
  body: ReadableStream<Uint8Array>,
  account: Account | undefined,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    await paid(account, chunk.length, compressWeight);
    yield chunk;
  }
}

/** Bytes that many ask for, once in each encoding and as small as they get. */
export class Packed {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #made = new Map<Encoding, Promise<Uint8Array<ArrayBuffer>>>();

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
  }

  as(encoding: Encoding | undefined): Promise<Uint8Array<ArrayBuffer>> {
    if (encoding === undefined) return Promise.resolve(this.#bytes);
    const made =
      this.#made.get(encoding) ??
      (encoding === 'br' ? brotlied(this.#bytes, brotli(11)) : gzipped(this.#bytes, { level: 9 })).then(
        (packed) => Uint8Array.from(packed),
      );
    this.#made.set(encoding, made);
    return made;
  }
}

/** An answer whose bytes are at hand in each encoding; ranges are of the bytes as they are. */
export async function packedBody(
  c: Context<HttpEnv>,
  packed: Packed,
  hash: string,
): Promise<{ body: Uint8Array<ArrayBuffer>; etag: string; encoding?: Encoding }> {
  const encoding =
    c.req.header('range') === undefined ? encodingOf(c.req.header('accept-encoding')) : undefined;
  const body = await packed.as(encoding);
  return {
    body,
    ...(encoding === undefined ? { etag: `"${hash}"` } : { etag: `"${hash}.${encoding}"`, encoding }),
  };
}
