import { QuorateError, reportedError } from '../../src/protocol/base/errors.ts';
import { toUtf8 } from '../../src/protocol/base/text.ts';

/** A request before it is made: all of it may be anything. */
export interface Asked {
  [part: string]: string;
  method: string;
  /** Path and query. */
  path: string;
  /** A JSON object of texts. `@length` stands for the length of the body in bytes. */
  headers: string;
  body: string;
}

/** The members of a JSON object that are texts; none where the text is no such object. */
export function textsIn(json: string): Record<string, string> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return {};
  }
  const members = Object.entries(typeof value === 'object' && value !== null ? value : {});
  return Object.fromEntries(
    members.filter((member): member is [string, string] => typeof member[1] === 'string'),
  );
}

/** The request that Node's HTTP parser lets through; it refuses the rest. */
export function requestOf(origin: string, { method, path, headers, body }: Asked): Request {
  if (!/^(GET|HEAD|POST|PUT|DELETE|PATCH|OPTIONS)$/.test(method))
    throw new QuorateError('HTTP_METHOD_NOT_ALLOWED', 'no method of HTTP');
  const target = `${origin}/${path.replace(/^\/+/, '')}`;
  if (!/^[\x21-\x7e\x80-\xff]*$/.test(path) || !URL.canParse(target))
    throw new QuorateError('HTTP_NOT_FOUND', 'no target of HTTP');
  const sent = new Headers();
  for (const [name, value] of Object.entries(textsIn(headers))) {
    if (!/^[\w!#$%&'*+.^`|~-]{1,200}$/.test(name)) continue;
    const length = String(toUtf8(body).length);
    sent.set(
      name,
      value
        .replaceAll('@length', length)
        .replace(/[^\t\x20-\x7e\x80-\xff]/g, '')
        .slice(0, 16_000),
    );
  }
  return new Request(target, {
    method,
    headers: sent,
    ...(method === 'GET' || method === 'HEAD' ? {} : { body }),
  });
}

/** Takes the answer of an app: a status from 400 on is thrown with the code that it names. @throws QuorateError */
export async function taken(response: Response): Promise<{ headers: Headers; text: string }> {
  const { status, headers } = response;
  // A stream of events has no end of its own.
  if (headers.get('content-type')?.startsWith('text/event-stream') === true) {
    await response.body?.cancel();
    return { headers, text: '' };
  }
  const text = await response.text();
  if (status < 400) return { headers, text };
  if (status === 404 && text === '404 Not Found') throw new QuorateError('HTTP_NOT_FOUND', 'no such page');
  // Errors of OAuth (RFC 6749, 5.2) have words instead of codes.
  if (/^\{"error":"[a-z_]+"/.test(text)) throw new QuorateError('SIGN_IN_REQUEST', 'an error of OAuth');
  throw reportedError(/\b[A-Z]+(?:_[A-Z]+)+\b/.exec(text)?.[0] ?? `${status} without a code`, 'refused');
}
