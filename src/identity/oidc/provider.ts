import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  ClientSecretBasic,
  type Configuration,
  calculatePKCECodeChallenge,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  fetchUserInfo,
  None,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
} from 'openid-client';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { boundedFetch, invalid } from './bounded-fetch.ts';
import { oidcLimits } from './limits.ts';
import { type Claims, joinedClaims, personOf } from './rules.ts';

/** Values that the callback of a sign-in is compared with; secret until then. */
export interface Checks {
  state: string;
  nonce: string;
  /** Of PKCE (RFC 7636). */
  verifier: string;
}

export interface SignedIn {
  /** Issuer and subject, see `personOf`. */
  person: string;
  /** For people to read only. */
  name: string;
  claims: Claims;
}

export interface ProviderOptions {
  issuer: string;
  clientId: string;
  /** Absent for a public client. */
  clientSecret: string | undefined;
  scopes: readonly string[];
  /** Claims that have to be asked of the user information where the ID token has none of that name. */
  wanted(): readonly string[];
  now(): number;
}

/** Refusals that the person or the owner has to solve, and not the provider. */
const denials = new Set(['access_denied', 'login_required', 'consent_required', 'interaction_required']);

/** Authorization code flow with PKCE (S256), state and nonce. ID tokens are verified although they come by TLS. */
export class OidcProvider {
  readonly #options: ProviderOptions;
  #known: { configuration: Promise<Configuration>; since: number } | undefined;

  constructor(options: ProviderOptions) {
    this.#options = options;
  }

  /** The URL to sign in at, and what `finish` compares. @throws OIDC_PROVIDER_UNREACHABLE, OIDC_PROVIDER_INVALID */
  async begin(redirectUri: string): Promise<{ url: URL; checks: Checks }> {
    const configuration = await this.#configuration();
    const checks = { state: randomState(), nonce: randomNonce(), verifier: randomPKCECodeVerifier() };
    const url = buildAuthorizationUrl(configuration, {
      redirect_uri: redirectUri,
      scope: ['openid', ...this.#options.scopes].join(' '),
      state: checks.state,
      nonce: checks.nonce,
      code_challenge: await calculatePKCECodeChallenge(checks.verifier),
      code_challenge_method: 'S256',
    });
    return { url, checks };
  }

  /** The person, from the callback's URL. @throws OIDC_DENIED, OIDC_ANSWER_REFUSED, OIDC_USER_INFO_REFUSED, OIDC_PROVIDER_UNREACHABLE, OIDC_PROVIDER_INVALID */
  async finish(callback: URL, { state, nonce, verifier }: Checks): Promise<SignedIn> {
    const denied = callback.searchParams.get('error');
    if (denied !== null && denials.has(denied) && callback.searchParams.get('state') === state)
      throw new QuorateError('OIDC_DENIED', `the provider refused the sign-in: ${denied}`);
    const configuration = await this.#configuration();
    try {
      const tokens = await authorizationCodeGrant(configuration, callback, {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: verifier,
        idTokenExpected: true,
      });
      const claims = tokens.claims();
      if (claims === undefined) throw refused('there is no ID token in it');
      const more = await this.#userInformation(configuration, tokens.access_token, claims);
      return signedInOf(this.#options.issuer, { ...joinedClaims(claims, more), sub: claims.sub });
    } catch (cause) {
      if (cause instanceof QuorateError) throw cause;
      throw quorateErrorIn(cause) ?? refused(messageOf(cause), cause);
    }
  }

  async #userInformation(
    configuration: Configuration,
    token: string,
    claims: Claims & { sub: string },
  ): Promise<Claims> {
    const { userinfo_endpoint: endpoint } = configuration.serverMetadata();
    const lacking = this.#options.wanted().filter((name) => !Object.hasOwn(claims, name));
    if (endpoint === undefined || lacking.length === 0) return {};
    try {
      return { ...(await fetchUserInfo(configuration, token, claims.sub)) };
    } catch (cause) {
      const status = statusIn(cause);
      if (status === undefined) throw cause;
      throw new QuorateError(
        'OIDC_USER_INFO_REFUSED',
        `the provider answers ${status} where the user information is asked for: ${endpoint.slice(0, 200)}`,
        {
          hint: `It is asked for ${lacking.join(', ').slice(0, 300)}, which rules name and the ID token lacks. The owner has the provider put that into the ID token, or adds the scope that it is told for (scopes in sign-in.toml). Signing in with a key works meanwhile.`,
          cause,
        },
      );
    }
  }

  /** Metadata of the provider, fetched once for several who ask at a time. */
  async #configuration(): Promise<Configuration> {
    const now = this.#options.now();
    if (this.#known === undefined || now - this.#known.since > oidcLimits.metadataMs) {
      const configuration = this.#discover();
      this.#known = { configuration, since: now };
      configuration.catch(() => {
        if (this.#known?.configuration === configuration) this.#known = undefined;
      });
    }
    return this.#known.configuration;
  }

  async #discover(): Promise<Configuration> {
    const { issuer, clientId, clientSecret } = this.#options;
    try {
      const method = clientSecret === undefined ? None() : ClientSecretBasic(clientSecret);
      // Addresses without TLS are refused by `boundedFetch`, except on loopback.
      const insecure = issuer.startsWith('http:') ? [allowInsecureRequests] : [];
      const configuration = await discovery(new URL(issuer), clientId, {}, method, {
        [customFetch]: boundedFetch(issuer),
        timeout: oidcLimits.requestMsMax / 1000,
        execute: [enableNonRepudiationChecks, ...insecure],
      });
      const { authorization_endpoint: endpoint, issuer: said } = configuration.serverMetadata();
      // A trailing slash is all that discovery lets differ.
      if (said !== issuer) throw invalid(`its metadata is that of "${said.slice(0, 200)}"`);
      if (endpoint === undefined || !URL.canParse(endpoint))
        throw invalid('it has no authorization endpoint');
      const { protocol, origin } = new URL(endpoint);
      if (protocol !== 'https:' && origin !== new URL(issuer).origin)
        throw invalid('its authorization endpoint has no TLS');
      return configuration;
    } catch (cause) {
      if (cause instanceof QuorateError) throw cause;
      throw quorateErrorIn(cause) ?? invalid(messageOf(cause), cause);
    }
  }
}

/** The status of an answer that is no success, from the library's error: its own, or of the answer that is its cause. */
function statusIn(error: unknown): number | undefined {
  const answers = [error, error instanceof Error && error.cause];
  return answers
    .map((of) => (of instanceof Object ? Number(Reflect.get(of, 'status')) : Number.NaN))
    .find((status) => status >= 400);
}

/** An error of `boundedFetch`, which the library may have wrapped. */
export function quorateErrorIn(error: unknown): QuorateError | undefined {
  let at = error;
  for (let depth = 0; depth < 5 && at instanceof Error; depth++) {
    if (at instanceof QuorateError) return at;
    at = at.cause;
  }
  return undefined;
}

const refused = (what: string, cause?: unknown): QuorateError =>
  new QuorateError('OIDC_ANSWER_REFUSED', `the answer of the provider is refused: ${what.slice(0, 300)}`, {
    hint: 'Sign in again.',
    cause,
  });

/** Printable ASCII without spaces is more than providers use, and safe to show. */
const subjectPattern = /^[\x21-\x7e]{1,255}$/;

function signedInOf(issuer: string, claims: Claims & { sub: string }): SignedIn {
  const { sub } = claims;
  if (!subjectPattern.test(sub)) throw refused('its subject is not printable, or too long');
  const email = claims.email_verified === true ? claims.email : '';
  const names = [claims.preferred_username, claims.name, email, sub];
  const name = names.find((text) => typeof text === 'string' && text.trim() !== '') as string;
  return { person: personOf(issuer, sub), name: printable(name), claims };
}

/** A name as a line of text that controls neither a terminal nor the direction of what is around it. */
function printable(name: string): string {
  return name.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '').slice(0, 100) || '?';
}
