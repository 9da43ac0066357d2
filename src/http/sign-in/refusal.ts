import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { type ErrorCode, QuorateError } from '../../protocol/base/errors.ts';
import { errorPage } from './pages.ts';

const statusOf: Partial<Record<ErrorCode, ContentfulStatusCode>> = {
  OIDC_ANSWER_REFUSED: 403,
  OIDC_DENIED: 403,
  OIDC_PROVIDER_INVALID: 502,
  OIDC_PROVIDER_UNREACHABLE: 502,
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

/** Whether who asks is a browser that shows a page. */
export const wantsPage = (c: Context): boolean => (c.req.header('accept') ?? '').includes('text/html');

/** The answer to an error of signing in: a page for browsers, else code and message. Others are thrown on. */
export function refuse(c: Context, error: unknown): Response | Promise<Response> {
  const status = error instanceof QuorateError ? statusOf[error.code] : undefined;
  if (!(error instanceof QuorateError) || status === undefined) throw error;
  const { code, message, hint } = error;
  c.header('cache-control', 'no-store');
  if (wantsPage(c)) return c.html(errorPage(error), status);
  return c.json({ error: { code, message, hint } }, status);
}
