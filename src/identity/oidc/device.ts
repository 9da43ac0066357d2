import {
  allowInsecureRequests,
  customFetch,
  discovery,
  initiateDeviceAuthorization,
  None,
  pollDeviceAuthorizationGrant,
} from 'openid-client';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { boundedFetch, invalid } from './bounded-fetch.ts';
import { oidcLimits } from './limits.ts';
import { quorateErrorIn } from './provider.ts';

/** Code and address with which a person signs a terminal in. */
export interface DevicePrompt {
  code: string;
  url: string;
  completeUrl: string;
}

/**
 * Signs a terminal in by the device flow (RFC 8628) at a service of Quorate. Resolves with its token once a person has
 * confirmed the code in a browser.
 * @throws OIDC_DENIED (not confirmed in time), OIDC_PROVIDER_UNREACHABLE, OIDC_PROVIDER_INVALID
 */
export async function signInDevice(options: {
  issuer: string;
  clientId: string;
  tell(prompt: DevicePrompt): void;
  signal: AbortSignal;
}): Promise<string> {
  const { issuer, clientId, tell, signal } = options;
  try {
    const configuration = await discovery(new URL(issuer), clientId, {}, None(), {
      algorithm: 'oauth2',
      [customFetch]: boundedFetch(issuer),
      timeout: oidcLimits.requestMsMax / 1000,
      execute: issuer.startsWith('http:') ? [allowInsecureRequests] : [],
    });
    const begun = await initiateDeviceAuthorization(configuration, {});
    const url = safeUrl(begun.verification_uri);
    const completeUrl = safeUrl(begun.verification_uri_complete ?? begun.verification_uri);
    if (!/^[A-Z0-9-]{4,20}$/.test(begun.user_code)) throw invalid('its code is not one that people type');
    tell({ code: begun.user_code, url, completeUrl });
    const { access_token: token } = await pollDeviceAuthorizationGrant(configuration, begun, {}, { signal });
    return token;
  } catch (cause) {
    signal.throwIfAborted();
    const known = cause instanceof QuorateError ? cause : quorateErrorIn(cause);
    if (known !== undefined) throw known;
    const answered = cause instanceof Error && 'error' in cause ? String(cause.error) : '';
    if (!['access_denied', 'expired_token', 'invalid_grant'].includes(answered))
      throw invalid(messageOf(cause), cause);
    throw new QuorateError(
      'OIDC_DENIED',
      'the terminal was not signed in: the code was refused, or is too old',
      { hint: 'Run quorate login again, and confirm the code within ten minutes.', cause },
    );
  }
}

/** An address of a page, which cannot draw on the terminal that shows it. */
function safeUrl(text: string): string {
  const url = URL.parse(text);
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:')
    throw invalid('its address to confirm at is none');
  return url.href;
}
