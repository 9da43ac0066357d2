import type { Context, MiddlewareHandler } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';
import { formFields, isSecret } from '../../http/body.ts';
import type { HttpEnv } from '../../http/env.ts';
import { notFound } from '../../http/errors.ts';
import { QuorateError } from '../../protocol/base/errors.ts';

/** Random texts of one page, each of 256 bits, new with each start. */
export interface Secrets {
  /** In the address that the operator opens. */
  token: string;
  /** Value of the cookie that the token is exchanged for. */
  session: string;
  /** Folder of the page. Browsers send a cookie to every port of an address: this keeps it from other servers there. */
  folder: string;
  /** In every form. */
  csrf: string;
}

/** Name of the cookie: pages of several workers have one each. */
const cookieName = ({ folder }: Secrets): string => `quorate-worker-${folder.slice(0, 8)}`;

/** Turns off one guard, for tests that show what each one prevents. */
export type Guard = 'host' | 'token' | 'cookie' | 'origin' | 'csrf';
const notAdmitted = () =>
  new QuorateError('LENDER_NOT_ADMITTED', 'this page opens by the address that quorate worker page printed');
const forged = (why: string) => new QuorateError('LENDER_REQUEST_FORGED', why);

/** Browsers that have a name resolved to this address anew (DNS rebinding) send that name. */
export function checkHost(origin: () => string, off: ReadonlySet<Guard>): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    if (!off.has('host') && c.req.header('host') !== new URL(origin()).host)
      throw new QuorateError('HTTP_HOST_UNKNOWN', 'this page is asked for by another name than its own');
    await next();
  };
}

/** Exchanges the token of the address for a cookie, so that it does not stay in the address bar. */
export function admit(c: Context<HttpEnv>, secrets: Secrets, off: ReadonlySet<Guard>): Response {
  if (!off.has('token') && !isSecret(c.req.query('token'), secrets.token)) throw notAdmitted();
  const path = `/${secrets.folder}/`;
  setCookie(c, cookieName(secrets), secrets.session, { httpOnly: true, sameSite: 'Strict', path });
  return c.redirect(path, 303);
}

/** Lets nobody in by another folder or without the cookie, and no request that another page makes. */
export function checkSession(
  secrets: Secrets,
  origin: () => string,
  off: ReadonlySet<Guard>,
): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    if (!isSecret(c.req.param('folder'), secrets.folder)) throw notFound('no such path');
    if (!off.has('cookie') && !isSecret(getCookie(c, cookieName(secrets)), secrets.session))
      throw notAdmitted();
    const site = c.req.header('sec-fetch-site');
    if (!off.has('origin') && site !== undefined && site !== 'same-origin' && site !== 'none')
      throw forged('another page asked for this');
    if (!['GET', 'HEAD'].includes(c.req.method)) await checkForm(c, secrets, origin(), off);
    await next();
  };
}

/** A form of this page: its origin, and the text that only this page knows. */
async function checkForm(c: Context<HttpEnv>, { csrf }: Secrets, origin: string, off: ReadonlySet<Guard>) {
  if (!off.has('origin') && c.req.header('origin') !== origin)
    throw forged('a form of another page was sent here');
  const { csrf: given } = await formFields(c);
  if (!off.has('csrf') && !isSecret(typeof given === 'string' ? given : undefined, csrf))
    throw forged('the form is of an earlier page, or not of this one; load the page again');
}
