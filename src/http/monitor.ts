import { Hono } from 'hono';
import { Registry } from 'prom-client';
import type { HealthCheck, HealthChecks } from '../node/health.ts';
import { Meters } from '../node/metrics.ts';
import type { NodeEvent, Tell } from '../node/node-events.ts';
import { meterProcess, type ProcessMeters } from '../node/node-metrics.ts';
import { messageOf } from '../protocol/base/errors.ts';
import { urlOf } from './addresses.ts';
import type { HttpEnv } from './env.ts';
import { httpLimits } from './limits.ts';
import { listenHttp } from './listen.ts';

/** `GET /healthz` (alive) and `GET /readyz` (working): 200 or 503 with `{status, checks: [{name, ok, says?}]}`. */
export function healthApp({
  live,
  ready,
}: Readonly<Record<keyof HealthChecks, () => readonly HealthCheck[]>>): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  const answer = async (checks: readonly HealthCheck[]): Promise<Response> => {
    const checked = await Promise.all(checks.map(checkedOf));
    const ok = checked.every((check) => check.ok);
    return Response.json(
      { status: ok ? 'ok' : 'failing', checks: checked },
      { status: ok ? 200 : 503, headers: { 'cache-control': 'no-store' } },
    );
  };
  app.get('/healthz', () => answer(live()));
  app.get('/readyz', () => answer([...live(), ...ready()]));
  return app;
}

/** A check that does not answer in time has failed. */
async function checkedOf({
  name,
  trouble,
}: HealthCheck): Promise<{ name: string; ok: boolean; says?: string }> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, httpLimits.checkMsMax, 'it did not answer in time');
  });
  const says = await Promise.race([Promise.resolve().then(trouble).catch(messageOf), late]);
  clearTimeout(timer);
  return { name, ok: says === undefined, ...(says === undefined ? {} : { says }) };
}

/** `GET /metrics` in the text format of Prometheus, version 0.0.4. */
export function metricsApp(registry: Registry): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  return app.get('/metrics', async (c) => {
    const headers = { 'content-type': registry.contentType, 'cache-control': 'no-store' };
    return c.body(await registry.metrics(), 200, headers);
  });
}

/** Metrics and health of one process, on a listener of their own. */
export interface Monitor {
  readonly registry: Registry;
  readonly url: string;
  /** The checks of readiness from now on. Until then it is not ready. */
  watch(checks: HealthChecks): void;
  /** The same log, with its events counted. */
  counted(log: (event: NodeEvent) => void): (event: NodeEvent) => void;
  /** Says where it is, and warns where others than programs of this host may reach it. */
  announce(tell: Tell): void;
  close(): Promise<void>;
}

const starting: HealthChecks = { live: [], ready: [{ name: 'start', trouble: () => 'it is starting' }] };

/** @throws `HTTP_LISTEN_FAILED`. */
export async function openMonitor(options: {
  host: string;
  port: number;
  service: string;
  version: string;
}): Promise<Monitor> {
  const { host, port, service, version } = options;
  const registry = new Registry();
  const labels = { service: [service], version: [version] };
  const about = new Meters(registry, {
    quorate_build_info: { type: 'gauge', help: 'Always 1: kind of process and version.', labels },
  });
  about.read('quorate_build_info', () => [[{ service, version }, 1]]);
  const meters: ProcessMeters = meterProcess(registry);
  let checks = starting;
  const app = new Hono<HttpEnv>();
  app.route('/', metricsApp(registry));
  app.route('/', healthApp({ live: () => checks.live, ready: () => checks.ready }));
  const server = await listenHttp({ host, port, app, option: '--metrics', names: [host] });
  const url = urlOf(server.host, server.port);
  return {
    registry,
    url,
    announce: (tell) => {
      const isLocal = host === 'localhost' || host === '::1' || /^127\./.test(host);
      const says = `metrics and health are at ${url}${isLocal ? '' : ', for whoever reaches that address'}`;
      tell(isLocal ? 'info' : 'warn', 'monitored', says, { url });
    },
    watch: (given) => {
      checks = given;
    },
    counted: (log) => (event) => {
      meters.event(event.level);
      log(event);
    },
    close: () => server.close(),
  };
}
