import type { Context } from 'hono';
import { sha256InSlices } from '../store/index.ts';
import { afterAnswer, type HttpEnv } from './env.ts';
import { gathered, piecesOf, streamOf, wholeBytesMax } from './stream.ts';
import type { PublicView } from './views.ts';

export type ArtifactLevel = ReturnType<PublicView['level']>;

export interface Answer {
  /** In chunks when it is large. */
  body: Uint8Array | AsyncIterable<Uint8Array>;
  /** Bytes of a body in chunks, where that is known. */
  size?: number;
  /** Each chunk costs as much as so many bytes, however small it is. */
  leastBytes?: number;
  /** Strong validator (RFC 9110, section 8.8.3): equal etags mean equal bytes. */
  etag: string;
  type: string;
  cache: string;
  /** File name for a download; absent for JSON. */
  fileName?: string;
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
    fileName: `${safeName(name)}${suffix}${extension}`,
    level,
  };
}

/** The last component of a path, without characters that a shell or a file system acts on. */
function safeName(path: string): string {
  const last = path.split(/[/\\]/).at(-1) ?? '';
  const safe = last.replace(/[^A-Za-z0-9._+-]/g, '_').replace(/^\.+/, '_');
  return safe.slice(0, 100) || 'file';
}

/** Sends an answer; `release` is called once it is sent or has failed. */
export function answerWith(c: Context<HttpEnv>, answer: Answer, release: () => void): Response {
  afterAnswer(c, release);
  const { body, etag, type, cache, fileName, level } = answer;
  const standing = { etag, 'cache-control': cache, ...(level !== undefined && { 'quorate-level': level }) };
  const whole = body instanceof Uint8Array;
  /** Reading a body costs as much as sending it; one in chunks is not read. */
  const withoutBody = (init: ResponseInit) => {
    c.set('isCounted', true);
    if (whole) c.env?.account?.sent(body.length);
    return new Response(null, init);
  };
  if (c.req.header('if-none-match') === etag) return withoutBody({ status: 304, headers: standing });
  const size = whole ? body.length : answer.size;
  const headers = {
    ...standing,
    'content-type': type,
    // RFC 6266: always a download.
    ...(fileName === undefined ? {} : { 'content-disposition': `attachment; filename="${fileName}"` }),
    // An aborted answer has no last chunk, so that clients notice.
    ...(size === undefined ? { 'transfer-encoding': 'chunked' } : { 'content-length': String(size) }),
  };
  if (c.req.method === 'HEAD') return withoutBody({ headers });
  if (whole && body.length <= wholeBytesMax) return c.body(new Uint8Array(body), 200, headers);
  if (whole) return c.body(streamOf(c, piecesOf(body)), 200, headers);
  const more = (bytes: number) => void c.env.account?.sent(bytes);
  return c.body(streamOf(c, gathered(body, answer.leastBytes, more)), 200, headers);
}
