import type { Context } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';
import { signInLimits } from './limits.ts';

/**
 * The two cookies of a service: of the session (SameSite=Strict) and, while a browser is at the provider, of that
 * transaction (Lax: coming back is a navigation from another site). With https they have the prefix `__Host-`, which
 * browsers take from this very host only. On loopback their names have the port: cookies know no ports.
 */
export class Cookies {
  readonly #isSecure: boolean;
  readonly #session: string;
  readonly #transaction: string;

  constructor(origin: string) {
    const { protocol, port } = new URL(origin);
    this.#isSecure = protocol === 'https:';
    const name = (what: string) =>
      this.#isSecure ? `__Host-quorate-${what}` : `quorate-${what}-${port || 80}`;
    this.#session = name('session');
    this.#transaction = name('sign-in');
  }

  session(c: Context): string | undefined {
    return getCookie(c, this.#session);
  }

  /** Without a time: the browser forgets it when it ends, and the server before. */
  setSession(c: Context, secret: string): void {
    setCookie(c, this.#session, secret, this.#attributes('Strict'));
  }

  clearSession(c: Context): void {
    setCookie(c, this.#session, '', { ...this.#attributes('Strict'), maxAge: 0 });
  }

  transaction(c: Context): string | undefined {
    return getCookie(c, this.#transaction);
  }

  setTransaction(c: Context, sealed: string): void {
    const maxAge = signInLimits.transactionSecondsMax;
    setCookie(c, this.#transaction, sealed, { ...this.#attributes('Lax'), maxAge });
  }

  clearTransaction(c: Context): void {
    setCookie(c, this.#transaction, '', { ...this.#attributes('Lax'), maxAge: 0 });
  }

  #attributes(sameSite: 'Strict' | 'Lax') {
    return { path: '/', httpOnly: true, secure: this.#isSecure, sameSite };
  }
}
