import { type Context, Hono, type MiddlewareHandler } from 'hono';
import type { SignInRole } from '../../identity/oidc/settings.ts';
import type { SignInFile } from '../../identity/oidc/settings-file.ts';
import type { HttpEnv } from '../env.ts';
import { staticApp } from '../static-files.ts';
import { browserRoutes } from './browser-routes.ts';
import { cookiesOf } from './cookies.ts';
import { Guard, refuse } from './guard.ts';
import { type KeyHolders, KeySignIn, keyRoutes } from './key-sign-in.ts';
import { Sealer } from './sealed.ts';
import { type SessionIssuer, serviceRoutes } from './service-routes.ts';
import { type Authority, type Session, Sessions } from './sessions.ts';
import { terminalRoutes } from './terminal-routes.ts';

export interface SignInPorts {
  file: Pick<SignInFile, 'settings' | 'hasEnded'>;
  /** Where people sign in who have no key of the project; undefined for nobody. */
  authority: Authority | undefined;
  keys: KeyHolders | undefined;
  /** Signs for the services under `services` of sign-in.toml, as the identity provider of the project; undefined elsewhere. */
  issuer: SessionIssuer | undefined;
  /** Milliseconds since the epoch. */
  now(): number;
}

export interface SignIn {
  /** `/sign-in…`, `/sign-out` and the metadata of RFC 8414; mounted at the top of a service. */
  app: Hono<HttpEnv>;
  /** The person that asks; undefined for somebody who is not signed in. A stream ends with `session.ended`. */
  session(c: Context): Omit<Session, 'right'> | undefined;
  /** Lets through who has the role; a publisher has that of a reader too. All but GET and HEAD need the CSRF token. */
  requireRole(role: SignInRole): MiddlewareHandler;
  close(): void;
}

/** Signing in at a web service, and who is signed in ([docs/sign-in.md](../../../docs/sign-in.md)). */
export function signIn({ file, authority, keys, issuer, now }: SignInPorts): SignIn {
  const { origin } = file.settings;
  const sessions = new Sessions({ lifetimes: () => file.settings, now });
  const guard = new Guard(origin, sessions, cookiesOf(origin));
  const sealer = new Sealer(now);
  const app = new Hono<HttpEnv>();
  // These answers concern one person, and one moment.
  for (const path of ['/sign-in/*', '/sign-out'])
    app.use(path, async (c, next) => {
      c.header('cache-control', 'no-store');
      await next();
    });
  app.route('/', staticApp());
  app.onError(async (error, c) => refuse(c, error));
  browserRoutes(app, { guard, authority, sealer, now });
  terminalRoutes(app, { guard, sealer, now });
  if (keys !== undefined) {
    const hasEnded = file.hasEnded.bind(file);
    keyRoutes(app, { guard, keySignIn: new KeySignIn({ origin, keys, now, hasEnded }), now });
  }
  if (issuer !== undefined) serviceRoutes(app, { guard, issuer, settings: () => file.settings, now });
  return {
    app,
    session: (c) => guard.session(c),
    requireRole: (role) => guard.requireRole(role),
    close: () => sessions.close(),
  };
}
