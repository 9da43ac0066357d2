import type { Context } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';

/**
 * The two cookies of a service: of the session (SameSite=Strict) and, while a browser is at the provider, of that
 * transaction (Lax: coming back is a navigation from another site). With https they have the prefix `__Host-`, which
 * browsers take from this very host only. On loopback their names have the port: cookies know no ports.
 */
export function cookiesOf(origin: string) {
  const { protocol, port } = new URL(origin);
  const secure = protocol === 'https:';
  const cookie = (what: string, sameSite: 'Strict' | 'Lax') => {
    const name = secure ? `__Host-quorate-${what}` : `quorate-${what}-${port || 80}`;
    const attributes = { path: '/', httpOnly: true, secure, sameSite };
    return {
      get: (c: Context) => getCookie(c, name),
      /** Without a time the browser forgets it when it ends, and the server before. */
      set: (c: Context, value: string, maxAge?: number) =>
        setCookie(c, name, value, maxAge === undefined ? attributes : { ...attributes, maxAge }),
      clear: (c: Context) => setCookie(c, name, '', { ...attributes, maxAge: 0 }),
    };
  };
  return { session: cookie('session', 'Strict'), transaction: cookie('sign-in', 'Lax') };
}

export type Cookies = ReturnType<typeof cookiesOf>;
