import { isIP } from 'node:net';
import type { Target } from './rules.ts';

/** Targets of an entry `host` or `host:port` of a charter; without a port, one for each usual port. Empty if invalid. */
export function targetsOf(entry: string, usualPorts: readonly number[]): Target[] {
  const [, host = '', port] = /^(\[[^\]]+\]|[^:]+)(?::([0-9]+))?$/.exec(entry.toLowerCase()) ?? [];
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  if (bare === '' || Number(port ?? 1) < 1 || Number(port ?? 1) > 65_535) return [];
  return (port === undefined ? usualPorts : [Number(port)]).map((one) => ({ host: bare, port: one }));
}

/** Whether the host is an IP address or `localhost`. Such an entry permits a private address explicitly. */
export const isLiteralAddress = ({ host }: Target): boolean => isIP(host) !== 0 || host === 'localhost';
