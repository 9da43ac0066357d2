import { setTimeout as sleep } from 'node:timers/promises';
import type { Rate } from '../../core/bandwidth.ts';
import { messageOf, QuorateError } from '../../core/errors.ts';

/**
 * GETs text from an untrusted server. Follows no redirect and reads at most `maxBytes`, after decompression. `etag` is that
 * of the previous answer; the result is `unchanged` when it still holds. `down` limits the rate of reading.
 * Errors: `HTTP_FEED_FAILED`.
 */
export async function getText(
  url: string,
  options: { etag: string | undefined; maxBytes: number; signal: AbortSignal; down?: Rate },
): Promise<'unchanged' | { text: string; etag: string | undefined }> {
  const { etag, maxBytes, signal, down } = options;
  const failed = (why: string, cause?: unknown) =>
    new QuorateError('HTTP_FEED_FAILED', `${url}: ${why}`, { cause });
  let response: Response;
  try {
    response = await fetch(url, {
      signal,
      redirect: 'error',
      headers: { accept: 'application/json', ...(etag === undefined ? {} : { 'if-none-match': etag }) },
    });
  } catch (cause) {
    const { cause: deeper } = cause as { cause?: unknown };
    throw failed(messageOf(deeper ?? cause), cause);
  }
  try {
    if (response.status === 304 && etag !== undefined) return 'unchanged';
    if (response.status !== 200) throw failed(`answered ${response.status}`);
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of response.body ?? []) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw failed(`sends more than ${maxBytes} bytes`);
      chunks.push(chunk);
      const ms = down?.charge(chunk.length, performance.now()) ?? 0;
      if (ms > 0) await sleep(ms, undefined, { signal });
    }
    return {
      text: Buffer.concat(chunks).toString('utf8'),
      etag: response.headers.get('etag')?.slice(0, 100),
    };
  } catch (cause) {
    throw cause instanceof QuorateError ? cause : failed(messageOf(cause), cause);
  } finally {
    // Closes the connection when the body was not read to its end.
    await response.body?.cancel().catch(() => {});
  }
}
