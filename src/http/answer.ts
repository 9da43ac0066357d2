import type { Context } from 'hono';
import { sha256InSlices } from '../store/index.ts';
import { type Encoding, isText } from './compress.ts';
import { afterAnswer, type HttpEnv, untilGone } from './env.ts';
import { gathered, piecesOf, streamOf, wholeBytesMax } from './stream.ts';
import type { PublicView } from './views.ts';

export type ArtifactLevel = ReturnType<PublicView['level']>;

export interface Answer {
  /** In chunks when it is large; of one whose size is known, those after the first `skip` bytes. */
  body: Uint8Array | AsyncIterable<Uint8Array> | ((skip: number) => AsyncIterable<Uint8Array>);
  /** Bytes of a body in chunks, where that is known. */
  size?: number;
  /** Each chunk costs as much as so many bytes, however small it is. */
  leastBytes?: number;
  /** Strong validator (RFC 9110, section 8.8.3): equal etags mean equal bytes. */
  etag: string;
  type: string;
  cache: string;
  /** Of bytes that are compressed already. */
  encoding?: Encoding | undefined;
  /** Path and ending of its name as a download, which it always is then; absent for JSON. */
  fileName?: readonly [path: string, ending: string];
  level?: ArtifactLevel;
}

/** A cache may keep the answer, and asks each time whether it still is one. */
export const revalidate = 'no-cache';

/** Bytes are hashed in slices, since some are many. */
export async function etagOf(bytes: Uint8Array): Promise<string> {
  return `"${(await sha256InSlices(bytes)).slice(0, 32)}"`;
}

interface ArtifactBytes extends Pick<Answer, 'body' | 'size' | 'type' | 'leastBytes'> {
  level: ArtifactLevel;
  /** File name without what `extension` adds: a path, of which the last component is used. */
  name: string;
  /** With its dot; '' where the name has its own. */
  extension: string;
  /** Names these bytes: the CID of the file, block or tree, or a hash. */
  id: string;
}

/** The one place that answers with artifact bytes: a level below `trusted` is in header and file name, and caches always revalidate. */
export function artifactAnswer({ level, name, extension, id, ...rest }: ArtifactBytes): Answer {
  const suffix = level === 'trusted' ? '' : `.${level}`;
  return {
    ...rest,
    etag: `"${id}.${level}${extension}"`,
    cache: revalidate,
    fileName: [name, `${suffix}${extension}`],
    level,
  };
}

/** A header that makes an answer a download of this name: a path, of which the last component is used (RFC 6266). */
export function attachment(path: string, ending = ''): string {
  const last = path.split(/[/\\]/).at(-1) ?? '';
  const named = (others: RegExp) => {
    const safe = last.normalize('NFC').replace(others, '_').replace(/^\.+/, '_');
    return `${[...safe].slice(0, nameCharsMax).join('') || 'file'}${ending}`;
  };
  // Characters of names, and none that a shell, a file system or the direction of a text depends on.
  const [plain, wide] = [named(/[^A-Za-z0-9._+-]/gu), named(/[^\p{L}\p{M}\p{N}._+-]/gu)];
  const encoded = encodeURIComponent(wide);
  return `attachment; filename="${plain}"${plain === wide ? '' : `; filename*=UTF-8''${encoded}`}`;
}

const nameCharsMax = 100;

/** Sends an answer, or one range of it; `release` is called once it is sent or has failed. */
export function answerWith(c: Context<HttpEnv>, answer: Answer, release: () => void): Response {
  afterAnswer(c, release);
  const { body, etag, type, cache, fileName, level, encoding } = answer;
  const account = c.env?.account;
  const standing = {
    'cache-control': cache,
    ...(level !== undefined && { 'quorate-level': level }),
    ...(isText(type) && { vary: 'accept-encoding' }),
  };
  const whole = body instanceof Uint8Array;
  /** Reading a body costs as much as sending it; one in chunks is not read. */
  const withoutBody = (status: 200 | 304 | 416, headers: Record<string, string>) => {
    c.set('isCounted', true);
    if (whole) account?.sent(body.length);
    return c.body(null, status, headers);
  };
  const held = matching(c.req.header('if-none-match'), etag);
  if (held !== undefined) return withoutBody(304, { ...standing, etag: held });
  const size = whole ? body.length : answer.size;
  const hasRanges = size !== undefined && (whole || typeof body === 'function');
  const headers = {
    ...standing,
    etag,
    'content-type': type,
    'accept-ranges': hasRanges ? 'bytes' : 'none',
    ...(encoding !== undefined && { 'content-encoding': encoding }),
    ...(fileName === undefined ? {} : { 'content-disposition': attachment(...fileName) }),
    // An aborted answer has no last chunk, so that clients notice.
    ...(size === undefined ? { 'transfer-encoding': 'chunked' } : { 'content-length': String(size) }),
  };
  if (c.req.method === 'HEAD') return withoutBody(200, headers);
  const range = hasRanges && rangeApplies(c, etag) ? rangeOf(c.req.header('range'), size) : undefined;
  if (range === 'none') return withoutBody(416, { ...standing, etag, 'content-range': `bytes */${size}` });
  const { from = 0, bytes = size } = range ?? {};
  if (range !== undefined)
    Object.assign(headers, {
      'content-range': `bytes ${from}-${from + range.bytes - 1}/${size}`,
      'content-length': String(range.bytes),
    });
  const status = range === undefined ? 200 : 206;
  if (whole) {
    const part = body.subarray(from, from + (bytes ?? 0));
    // The rest was read as well.
    if (range !== undefined) account?.sent(body.length - part.length);
    if (part.length <= wholeBytesMax) return c.body(new Uint8Array(part), status, headers);
    return c.body(streamOf(c, piecesOf(part)), status, headers);
  }
  const chunks = typeof body === 'function' ? body(from) : body;
  const more = (some: number) => void account?.sent(some);
  const asked = range === undefined ? chunks : first(chunks, range.bytes);
  const joined = gathered(asked, answer.leastBytes, more, untilGone(c));
  return c.body(streamOf(c, joined), status, headers);
}

/** The validator of `If-None-Match` that names this one, as the client has it (RFC 9110, section 13.1.2: weak comparison). */
function matching(header: string | undefined, etag: string): string | undefined {
  const given = (header ?? '').split(',').map((one) => one.trim());
  return given[0] === '*' ? etag : given.find((one) => one.replace(/^W\//, '') === etag);
}

/** `If-Range` asks for the whole where it names another answer, or a time. */
const rangeApplies = (c: Context<HttpEnv>, etag: string): boolean =>
  (c.req.header('if-range') ?? etag) === etag;

/**
 * One range (RFC 9110, section 14.1.2): `none` where there is no byte of it. Undefined for the whole, which is also the answer to several
 * ranges, to one that is malformed, and to other units.
 */
export function rangeOf(
  header: string | undefined,
  size: number,
): { from: number; bytes: number } | 'none' | undefined {
  const [, first, last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(header ?? '') ?? [];
  if (first === undefined || (first === '' && last === '') || size === 0) return undefined;
  if (first === '') {
    const bytes = Math.min(Number(last), size);
    return bytes === 0 ? 'none' : { from: size - bytes, bytes };
  }
  const [from, to] = [Number(first), last === '' ? size - 1 : Math.min(Number(last), size - 1)];
  if (last !== '' && Number(last) < from) return undefined;
  return from >= size ? 'none' : { from, bytes: to - from + 1 };
}

/** The first bytes of a body, of which no more is read then. */
async function* first(body: AsyncIterable<Uint8Array>, bytes: number): AsyncGenerator<Uint8Array> {
  let left = bytes;
  for await (const chunk of body) {
    yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
}
