import { flushCompileCache } from 'node:module';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseMonitorAddress } from '../http/addresses.ts';
import type { Monitor } from '../http/monitor.ts';
import { isProxyAddress, TrustedProxies } from '../http/trusted-proxies.ts';
import { version } from '../program.ts';
import { messageOf } from '../protocol/base/errors.ts';
import { type LogLevel, logLevels } from '../protocol/base/log-lines.ts';
import { eventPrinter } from './node-events.ts';
import type { Output } from './output.ts';
import { several } from './values.ts';

export const proxyHelp =
  'proxy in front of --http, address or CIDR, that says who its clients are (Forwarded, X-Forwarded-For); repeatable';

/** `192.0.2.7`, `192.0.2.0/24`, `::1`; repeatable. */
export function proxyAddresses(text: string, before: string[] | undefined): string[] {
  if (!isProxyAddress(text))
    throw new InvalidArgumentError('Give an address or a CIDR, such as 127.0.0.1 or 10.0.0.0/8.');
  return several(text, before);
}

export const trustedProxies = (entries: readonly string[] | undefined): TrustedProxies | undefined =>
  entries === undefined ? undefined : new TrustedProxies(entries);

/** After the start of a daemon: it has loaded what it needs, and the host has other things to do then. */
const afterMs = 10_000;

/**
 * Writes what V8 compiled to the cache that bin/quorate.js enables, once a daemon has started. Otherwise Node does so at its end, for longer than
 * the process has on a busy host.
 */
export function writeCompiledCode(ms = afterMs): void {
  setTimeout(() => flushCompileCache(), ms).unref();
}

const daemons = new WeakSet<Command>();

/** A command that goes on running. What it needs of a process of its own is set up by main.ts: tests run several in one. */
export function asDaemon(command: Command): Command {
  daemons.add(command);
  return command;
}

export const isDaemon = (command: Command): boolean => daemons.has(command);

export interface DaemonOptions {
  logLevel?: LogLevel;
  logFormat?: 'text' | 'json';
  metrics?: { host: string; port: number };
}

/** `9464`, `127.0.0.1:9464`: without a host, this host only. */
function metricsAddress(text: string): { host: string; port: number } {
  const address = parseMonitorAddress(text);
  if (address === undefined)
    throw new InvalidArgumentError('Give a port, or host and port, such as 127.0.0.1:9464.');
  return address;
}

export function addDaemonOptions(command: Command): Command {
  return addMonitorOption(
    asDaemon(command)
      .addOption(
        new Option('--log-level <level>', 'least level of what is logged (default: info)').choices(logLevels),
      )
      .addOption(
        new Option('--log-format <format>', 'lines of text, or of JSON as with --json').choices([
          'text',
          'json',
        ]),
      ),
  );
}

/** For processes whose output is not a log of levels. */
export function addMonitorOption(command: Command): Command {
  return command.option(
    '--metrics <[host:]port>',
    'serve metrics and health by HTTP; without a host on 127.0.0.1 only',
    metricsAddress,
  );
}

export type DaemonLog = ReturnType<typeof daemonLog>;

export function daemonLog(out: Output, service: string, { logLevel, logFormat }: DaemonOptions) {
  const chosen = logFormat === 'json' ? out.asJson() : out;
  const log = eventPrinter(chosen, { service, level: logLevel });
  return {
    service,
    out: chosen,
    log,
    /** Logs why the process cannot go on. */
    failed: (error: unknown) =>
      log({ at: Date.now(), level: 'error', kind: 'failed', says: messageOf(error) }),
  };
}

/** Metrics and health of a process, where its operator wants them. @throws {QuorateError} `HTTP_LISTEN_FAILED` */
export async function monitorOf(
  { service, log }: DaemonLog,
  { metrics }: DaemonOptions,
): Promise<Monitor | undefined> {
  if (metrics === undefined) return undefined;
  const { openMonitor } = await import('../http/monitor.ts');
  const { teller } = await import('../node/node-events.ts');
  const monitor = await openMonitor({ ...metrics, service, version: version() });
  monitor.announce(teller(log));
  return monitor;
}
