import type { Context, MiddlewareHandler } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { SignInRole } from '../../identity/oidc/settings.ts';
import { type ErrorCode, QuorateError } from '../../protocol/base/errors.ts';
import { checkCsrf } from '../body.ts';
import { wantsPage } from '../errors.ts';
import type { Cookies } from './cookies.ts';
import { errorPage } from './pages.ts';
import type { Session, Sessions } from './sessions.ts';

const statusOf: Partial<Record<ErrorCode, ContentfulStatusCode>> = {
  OIDC_ANSWER_REFUSED: 403,
  OIDC_DENIED: 403,
  OIDC_PROVIDER_INVALID: 502,
  OIDC_PROVIDER_UNREACHABLE: 502,
  OIDC_USER_INFO_REFUSED: 502,
  SIGN_IN_BUSY: 503,
  SIGN_IN_CHALLENGE: 403,
  SIGN_IN_CODE: 400,
  SIGN_IN_CSRF: 403,
  SIGN_IN_KEY_REFUSED: 403,
  SIGN_IN_NO_ROLE: 403,
  SIGN_IN_REQUEST: 400,
  SIGN_IN_REQUIRED: 401,
  SIGN_IN_ROLE: 403,
  SIGN_IN_SERVICE_REFUSED: 403,
  SIGN_IN_STATE: 400,
  SIGN_IN_UNAVAILABLE: 404,
};

/** The answer to an error of signing in: a page for browsers, else code and message. Others are thrown on. */
export function refuse(c: Context, error: unknown): Response | Promise<Response> {
  const status = error instanceof QuorateError ? statusOf[error.code] : undefined;
  if (!(error instanceof QuorateError) || status === undefined) throw error;
  const { code, message, hint } = error;
  c.header('cache-control', 'no-store');
  if (wantsPage(c.req.header('accept'))) return c.html(errorPage(error), status);
  return c.json({ error: { code, message, hint } }, status);
}

const bearerPattern = /^Bearer ([A-Za-z0-9_-]{43})$/;

export class Guard {
  readonly origin: string;
  readonly sessions: Sessions;
  readonly cookies: Cookies;

  constructor(origin: string, sessions: Sessions, cookies: Cookies) {
    [this.origin, this.sessions, this.cookies] = [origin, sessions, cookies];
  }

  /** The session of a request: of its cookie, or of a terminal's token (`Authorization: Bearer`). */
  session(c: Context): Session | undefined {
    const token = this.#token(c);
    if (token !== undefined) return this.sessions.find(token, 'terminal');
    const secret = this.cookies.session.get(c);
    return secret === undefined ? undefined : this.sessions.find(secret, 'browser');
  }

  /** Lets through whoever has the role, or a higher one. A request that may change something needs the session's CSRF token. */
  requireRole(role: SignInRole): MiddlewareHandler {
    return async (c, next) => {
      try {
        const session = this.session(c);
        const isChange = c.req.method !== 'GET' && c.req.method !== 'HEAD';
        if (session === undefined) {
          if (isChange || !wantsPage(c.req.header('accept')))
            throw new QuorateError('SIGN_IN_REQUIRED', 'this needs somebody who is signed in', {
              hint: 'Sign in at /sign-in.',
            });
          const { pathname, search } = new URL(c.req.url);
          return c.redirect(`/sign-in?return=${encodeURIComponent(pathname + search)}`);
        }
        if (role === 'publisher' && session.role !== 'publisher')
          throw new QuorateError(
            'SIGN_IN_ROLE',
            `this needs a publisher; ${session.name} is a ${session.role}`,
            { hint: 'The owner gives roles by rules in sign-in.toml.' },
          );
        // A token is sent by programs, never by a browser of its own accord.
        if (isChange && this.#token(c) === undefined) await checkCsrf(c, this.origin, session.csrf);
      } catch (error) {
        return refuse(c, error);
      }
      // The answer is for this person only.
      c.header('cache-control', 'no-store');
      return next();
    };
  }

  #token(c: Context): string | undefined {
    const header = c.req.header('authorization');
    // A token that is none must not fall back to the cookie, for which a CSRF token would be asked.
    return header === undefined ? undefined : (bearerPattern.exec(header)?.[1] ?? '');
  }
}
