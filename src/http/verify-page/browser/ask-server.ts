import { messageOf, QuorateError } from '../../../protocol/base/errors.ts';
import { limits } from '../../../protocol/base/limits.ts';
import { wholeBytes } from '../../../protocol/base/whole-bytes.ts';
import { decodeRevocations, type RevocationPage } from '../../../protocol/sessions/revocation-book.ts';
import type { Brought } from './knowledge.ts';
import { chunksOf } from './picked.ts';

const askMsMax = 20_000;

/** Asks an HTTP feed (http or https, no credentials, no query) for revocations. @throws VERIFY_INPUT_INVALID, VERIFY_SERVER_UNREACHABLE, WIRE_INVALID */
export async function askServer(address: string, project: string, signal: AbortSignal): Promise<Brought> {
  const base = baseOf(address);
  const get = (name: string) => textOf(`${base}/v1/${encodeURIComponent(project)}/${name}`, signal);
  const revocations: string[] = [];
  let page = await get('revocations');
  if (page === undefined) throw unreachable(base, 'it does not serve this project');
  while (page !== undefined && revocations.length < limits.revocationPagesMax) {
    const list: RevocationPage = decodeRevocations(page, `what ${base} answers`);
    // Without what only the file of a home says: when members were asked.
    revocations.push(JSON.stringify(list));
    const { next } = list;
    page = next === undefined ? undefined : await get(`revocations?after=${next}`);
  }
  const [charter, checkpoint] = [await get('charter'), await get('checkpoint')];
  return {
    from: base,
    revocations,
    ...(charter !== undefined && { charter }),
    ...(checkpoint !== undefined && { checkpoint }),
  };
}

function baseOf(address: string): string {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const isPlain = url?.username === '' && url.password === '' && url.search === '' && url.hash === '';
  if (url === undefined || !isPlain || !/^https?:$/.test(url.protocol))
    throw new QuorateError(
      'VERIFY_INPUT_INVALID',
      'the address to ask is not http:// or https:// and a host',
      { hint: 'Such as https://ci.example.org' },
    );
  return url.href.replace(/\/+$/, '');
}

async function textOf(url: string, signal: AbortSignal): Promise<string | undefined> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(askMsMax)]);
  try {
    const answer = await fetch(url, {
      signal: within,
      redirect: 'error',
      credentials: 'omit',
      cache: 'no-store',
      referrerPolicy: 'no-referrer',
    });
    if (answer.status === 404) return undefined;
    if (!answer.ok) throw new Error(`it answered ${answer.status}`);
    const tooLong = () => new Error(`it sends more than ${limits.receiptBytesMax} bytes`);
    const bytes = answer.body && (await wholeBytes(chunksOf(answer.body), limits.receiptBytesMax, tooLong));
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes ?? undefined);
  } catch (cause) {
    signal.throwIfAborted();
    throw unreachable(url, messageOf(cause), cause);
  }
}

const unreachable = (where: string, why: string, cause?: unknown): QuorateError =>
  new QuorateError('VERIFY_SERVER_UNREACHABLE', `${where} could not be asked: ${why}`, {
    hint: 'Name the HTTP address of a controller or store of the project, or choose a file of revocations.',
    cause,
  });
