import { type Context, Hono } from 'hono';
import { html } from 'hono/html';
import type { SSEStreamingApi } from 'hono/streaming';
import { urlOf } from '../../http/addresses.ts';
import { formFields } from '../../http/body.ts';
import type { HttpEnv } from '../../http/env.ts';
import type { Refusal } from '../../http/errors.ts';
import { htmlDocument } from '../../http/kit/layout.ts';
import { OwnEvents } from '../../http/kit/live.ts';
import { type HttpServer, listenHttp } from '../../http/listen.ts';
import { staticApp } from '../../http/static-files.ts';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import type { LiveField } from '../lending-knobs.ts';
import type { ControlAnswer, ControlRequest } from '../node/control.ts';
import type { OperatorStatus } from '../node/operator.ts';
import { admit, checkHost, checkSession, type Guard, type Secrets } from './guard.ts';
import { changesIn, type HostSize, knobFields } from './knob-fields.ts';
import { lenderPageLimits } from './limits.ts';
import { type LenderProject, type LenderView, lenderPage, type Part, partOf, parts } from './page.ts';

/** The page in a browser for a request that the page of a worker refuses. */
export function lenderErrorPage({ code, message }: Refusal): string {
  return String(
    htmlDocument({
      title: 'Refused · worker · Quorate',
      sheets: ['base.css', 'lender.css'],
      body: html`<body>
<main>
<h1>Refused</h1>
<p>${message} [${code}]</p>
<p><code>quorate worker page</code>, in a terminal of this machine, prints an address that opens it.</p>
</main>
</body>`,
    }),
  );
}

/** Serves the page on a loopback address; `url` lets a browser in. @throws HTTP_LISTEN_FAILED */
export async function serveLender(
  listen: { host: string; port: number },
  ports: Omit<LenderPorts, 'origin'>,
): Promise<HttpServer & { url: string }> {
  let origin = '';
  const server = await listenHttp({
    ...listen,
    app: lenderApp({ ...ports, origin: () => origin }),
    limits: {
      connectionsMax: lenderPageLimits.lenderConnectionsMax,
      connectionsPerAddressMax: lenderPageLimits.lenderConnectionsMax,
      bodyBytesMax: lenderPageLimits.lenderFormBytesMax,
    },
    option: '--listen',
    errorPage: lenderErrorPage,
  });
  origin = urlOf(server.host, server.port);
  return { ...server, url: `${origin}/?token=${ports.secrets.token}` };
}

export interface LenderPorts {
  /** `http://127.0.0.1:4711`, once it listens. */
  origin(): string;
  secrets: Secrets;
  /** Absent where it is not known which. */
  project?: LenderProject | undefined;
  host: HostSize;
  /** Asks the worker that runs on this machine. @throws `PROCESS_NOT_RUNNING`, `CONTROL_…`, `LIMITS_…`. */
  ask(request: ControlRequest): Promise<ControlAnswer>;
  /** After this time; false as soon as the page is closed. */
  wait(ms: number): Promise<boolean>;
  /** The guards of these names are off, for tests. */
  off?: ReadonlySet<Guard>;
}

const done = {
  pause: 'It is paused.',
  resume: 'It goes on.',
  drain: 'It takes no new job, and ends by itself when its leases are done.',
  limits: 'It lends this from now on.',
  allow: 'It connects to that host from now on.',
} as const;

/**
 * The page of a worker, for the operator of this machine: `GET /?token=…` lets a browser in, everything else is below a
 * folder whose name is a secret too. What it does is what `quorate worker` does.
 */
export function lenderApp(ports: LenderPorts): Hono<HttpEnv> {
  const { origin, secrets, off = new Set<Guard>() } = ports;
  const app = new Hono<HttpEnv>();
  app.use(checkHost(origin, off));
  app.use(async (c, next) => {
    await next();
    // With `no-referrer` a browser sends `origin: null` with the forms of this page.
    c.header('referrer-policy', 'same-origin');
    if (!c.res.headers.has('cache-control')) c.header('cache-control', 'no-store');
  });
  app.route('/', staticApp());
  app.get('/', (c) => admit(c, secrets, off));

  const at = (path: string) => `/:folder/${path}`;
  app.use(at('*'), checkSession(secrets, origin, off));
  const render = async (c: Context<HttpEnv>, over: Partial<LenderView>, code: 200 | 400 = 200) => {
    const status = over.status ?? (await statusOf(ports));
    const view: LenderView = {
      status,
      project: ports.project,
      knobs: status === undefined ? [] : knobFields(status.lending, ports.host),
      csrf: secrets.csrf,
      notice: undefined,
      faults: new Map(),
      ...over,
    };
    return c.html(lenderPage(view), code);
  };
  app.get(at(''), (c) => {
    const verb = c.req.query('done') ?? '';
    const isKnown = Object.hasOwn(done, verb);
    return render(c, isKnown ? { notice: { kind: 'done', text: done[verb as keyof typeof done] } } : {});
  });
  const asks = (verb: keyof typeof done, request: (c: Context<HttpEnv>) => Promise<ControlRequest>) =>
    app.post(at(verb), async (c) => {
      try {
        await ports.ask(await request(c));
      } catch (error) {
        return render(c, { notice: faultOf(error) }, 400);
      }
      return c.redirect(`./?done=${verb}`, 303);
    });
  for (const verb of ['pause', 'resume', 'drain'] as const) asks(verb, async () => ({ do: verb }));
  asks('allow', async (c) => {
    const { host } = await formFields(c);
    return { do: 'allow', host: typeof host === 'string' ? host : '' };
  });
  app.post(at('limits'), (c) => changeLimits(c, ports, render));
  const events = new OwnEvents(
    lenderPageLimits.lenderFollowersMax,
    () => new QuorateError('HTTP_BUSY', 'the page is open too many times; close one'),
  );
  app.get(at('events'), (c) => events.stream(c, ports, (stream) => follow(ports, stream)));
  return app;
}

/** Undefined where no worker answers. */
async function statusOf({ ask }: LenderPorts): Promise<OperatorStatus | undefined> {
  try {
    return (await ask({ do: 'status' })).status;
  } catch (error) {
    if (error instanceof QuorateError) return undefined;
    throw error;
  }
}

const faultOf = (error: unknown): NonNullable<LenderView['notice']> => {
  if (!(error instanceof QuorateError)) throw error;
  return { kind: 'fault', text: `${messageOf(error)} [${error.code}]`, hint: error.hint };
};

async function changeLimits(
  c: Context<HttpEnv>,
  ports: LenderPorts,
  render: (c: Context<HttpEnv>, over: Partial<LenderView>, code: 400) => Promise<Response>,
): Promise<Response> {
  const form = await formFields(c);
  const status = await statusOf(ports);
  if (status === undefined) return render(c, {}, 400);
  const { changes, faults } = changesIn(form, status.lending);
  const typed = (field: LiveField) => String(form[field]).slice(0, 40);
  try {
    const names = faults.map(({ field }) => field).join(', ');
    if (faults.length > 0) throw new QuorateError('LENDER_FIELD_INVALID', `nothing was changed: ${names}`);
    const { missed } = await ports.ask({ do: 'limits', ...changes });
    if (missed.length === 0) return c.redirect('./?done=limits', 303);
    const text = `A build that runs could not be held to the new limit of ${missed.join(', ')}; the next one is.`;
    return render(c, { notice: { kind: 'fault', text } }, 400);
  } catch (error) {
    const refused = new Map(faults.map(({ field, message }) => [field, { text: typed(field), message }]));
    return render(c, { notice: faultOf(error), faults: refused, status }, 400);
  }
}

/** Sends each part of the page when it has changed, until the browser is gone. */
async function follow(ports: LenderPorts, stream: SSEStreamingApi): Promise<void> {
  const shown = new Map<Part, string>();
  do {
    const status = await statusOf(ports);
    // A comment: the server closes a connection on which nothing was written for `httpLimits.idleMs`.
    await stream.write(': \n\n');
    for (const part of parts) {
      const text = String(partOf(part, { status, csrf: ports.secrets.csrf }));
      if (shown.get(part) === text) continue;
      shown.set(part, text);
      await stream.writeSSE({ event: part, data: text });
    }
  } while (!stream.aborted && (await ports.wait(lenderPageLimits.lenderLookMs)));
}
