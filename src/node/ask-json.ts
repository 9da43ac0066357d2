import { messageOf } from '../protocol/base/errors.ts';
import { wholeBytes } from '../protocol/base/whole-bytes.ts';
import { nodeLimits } from './limits.ts';

/** A server could not be asked: `message` says why, as one line. */
export class AskFailed extends Error {}

/**
 * POSTs JSON, or GETs without a body. Follows no redirect; bytes and time of the answer are bounded, whose text may be anything.
 * @throws AskFailed, the reason of `signal`
 */
export async function askJson(
  url: URL,
  options: { body: object | undefined; headers?: Record<string, string>; signal: AbortSignal },
): Promise<{ ok: boolean; status: number; text: string }> {
  const { body, headers = {}, signal } = options;
  const late = AbortSignal.timeout(nodeLimits.askMsMax);
  try {
    const sent = body && { method: 'POST', body: JSON.stringify(body) };
    const response = await fetch(url, {
      ...sent,
      headers: {
        accept: 'application/json',
        ...(body && { 'content-type': 'application/json' }),
        ...headers,
      },
      redirect: 'error',
      signal: AbortSignal.any([signal, late]),
    });
    const { ok, status, body: stream } = response;
    const tooLong = () => new AskFailed(`it sends more than ${nodeLimits.askBytesMax} bytes`);
    const bytes = stream && (await wholeBytes(stream, nodeLimits.askBytesMax, tooLong));
    return { ok, status, text: Buffer.from(bytes ?? []).toString('utf8') };
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof AskFailed) throw cause;
    if (late.aborted) throw new AskFailed(`no answer within ${nodeLimits.askMsMax / 1000} s`, { cause });
    const { cause: deeper } = cause as { cause?: unknown };
    throw new AskFailed(messageOf(deeper ?? cause), { cause });
  }
}
