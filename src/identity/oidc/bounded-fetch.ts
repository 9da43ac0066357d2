import type { CustomFetch } from 'openid-client';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { wholeBytes } from '../../protocol/base/whole-bytes.ts';
import { oidcLimits } from './limits.ts';
import { isSafeUrl } from './settings.ts';

/**
 * `fetch` for one provider: to https, or to the issuer's own origin where that is on loopback; follows no redirect; the whole
 * answer has a limit in bytes and time, and is in memory when this resolves.
 * @throws OIDC_PROVIDER_INVALID, OIDC_PROVIDER_UNREACHABLE
 */
export function boundedFetch(issuer: string): CustomFetch {
  const { answerBytesMax: bytesMax, requestMsMax: ms } = oidcLimits;
  const home = new URL(issuer).origin;
  return async (address, { method, headers, body, signal }) => {
    const url = new URL(address);
    if (url.protocol !== 'https:' && !(url.origin === home && isSafeUrl(url)))
      throw invalid(`it names ${url.origin}, which has no TLS`);
    const limit = AbortSignal.timeout(ms);
    try {
      const response = await fetch(url, {
        method,
        headers,
        body: (body ?? null) as BodyInit | null,
        redirect: 'manual',
        signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
      });
      if (response.status >= 300 && response.status < 400) {
        await response.body?.cancel();
        throw invalid(`${url.origin}${url.pathname} redirects; an address here has to be the last one`);
      }
      const tooLong = () => invalid(`${url.origin}${url.pathname} sends more than ${bytesMax} bytes`);
      const whole = response.body && (await wholeBytes(response.body, bytesMax, tooLong));
      return new Response(whole, { status: response.status, headers: response.headers });
    } catch (cause) {
      if (cause instanceof QuorateError) throw cause;
      const why = limit.aborted ? `no answer within ${ms / 1000} s` : reasonOf(cause);
      throw new QuorateError('OIDC_PROVIDER_UNREACHABLE', `cannot reach ${url.origin}: ${why}`, {
        hint: 'Check issuer in sign-in.toml and the network. Signing in with a key works meanwhile.',
        cause,
      });
    }
  };
}

/** The reason of a failed `fetch` is in its cause. */
const reasonOf = (error: unknown): string =>
  error instanceof Error && error.cause instanceof Error ? messageOf(error.cause) : messageOf(error);

export const invalid = (what: string, cause?: unknown): QuorateError =>
  new QuorateError('OIDC_PROVIDER_INVALID', `the OpenID Connect provider is not accepted: ${what}`, {
    hint: 'Check issuer in sign-in.toml: it has to be spelled as in the metadata of the provider.',
    cause,
  });
