import { Hono } from 'hono';
import { Registry } from 'prom-client';
import type { HealthChecks } from '../node/health.ts';
import { Meters } from '../node/metrics.ts';
import type { NodeEvent, Tell } from '../node/node-events.ts';
import { meterProcess, type ProcessMeters } from '../node/node-metrics.ts';
import { urlOf } from './addresses.ts';
import type { HttpEnv } from './env.ts';
import { healthApp } from './health.ts';
import { listenHttp } from './listen.ts';
import { metricsApp } from './metrics.ts';

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

/** Errors: `HTTP_LISTEN_FAILED`. */
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
  app.route(
    '/',
    healthApp({
      live: () => checks.live,
      ready: () => checks.ready,
    }),
  );
  const server = await listenHttp({
    host,
    port,
    app,
    option: '--metrics',
    names: [host],
  });
  return {
    registry,
    url: urlOf(server.host, server.port),
    announce: (tell) => {
      const url = urlOf(server.host, server.port);
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
