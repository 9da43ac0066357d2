import type { Context } from 'hono';
import type { HttpEnv } from '../../http/env.ts';
import type { Live } from '../../http/kit/live.ts';
import type { Html } from '../../http/kit/parts.ts';
import { Slots } from '../../http/slots.ts';
import type { ControllerNode } from '../node/node.ts';
import type { BuildLogs, Trees } from '../node/page-parts.ts';
import type { ProjectView, RunView } from '../node/project-view.ts';

export interface PageSession {
  role: string;
  name?: string;
  /** The key that signed in, or the account. */
  person?: string;
  /** The operator whose key signed in; absent for an account, which is of none. */
  operator?: string;
  /** Token that a form of this session has to send back; absent where no form is accepted. */
  csrf?: string;
  /** It is over: what it alone may see is not sent any more. */
  ended: AbortSignal;
}

export interface PagePorts {
  view: ProjectView;
  live: Live;
  /** Absent where there are no logs, as from bundles alone. */
  logs?: BuildLogs | undefined;
  /** Absent where there are no bytes of artifacts. */
  trees?: Trees | undefined;
  /** Of Quorate, for what names the program that made it. */
  version?: string | undefined;
  /** Path of the page that verifies an artifact in the browser, where there is one. */
  verifyPath?: string | undefined;
  /** Undefined for who is not signed in. */
  sessionOf?: ((c: Context<HttpEnv>) => PageSession | undefined) | undefined;
  /** Keeps that the alarm of a run was looked at, and by whom. Absent where nobody signs in. */
  acknowledge?: ((run: string, by: string) => Promise<void>) | undefined;
  /** Ends runs for the key that published them. Absent where nobody signs in. */
  cancel?: ControllerNode['cancel'] | undefined;
  /** Right in the header: signing in and out. */
  account?: ((c: Context<HttpEnv>) => Html | undefined) | undefined;
}

/** The id of the last event that a client has seen. */
export const sinceOf = (c: Context<HttpEnv>): string =>
  (c.req.header('last-event-id') ?? c.req.query('from') ?? '').slice(0, 100);

/** The session of the operator that published a run: logs of a sealed round are for it alone. An account is of no operator. */
export function sessionOfPublisher(
  ports: PagePorts,
  c: Context<HttpEnv>,
  { publisher }: Pick<RunView, 'publisher'>,
): PageSession | undefined {
  const session = publisherOf(ports, c);
  return session?.operator === publisher ? session : undefined;
}

/** The session of somebody who may publish. */
export function publisherOf({ sessionOf }: PagePorts, c: Context<HttpEnv>): PageSession | undefined {
  const session = sessionOf?.(c);
  return session?.role === 'publisher' ? session : undefined;
}

/** Bounds work of a kind that runs at once, in all and for one client. */
export const slots = (what: string, max: number, perClientMax: number): Slots =>
  new Slots({ max, perClientMax, what });
