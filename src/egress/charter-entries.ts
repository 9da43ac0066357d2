import { isIP } from 'node:net';
import type { Target } from './rules.ts';

/** What `host` or `host:port`, as a charter lists servers, stands for. None of what is neither. */
export function targetsOf(entry: string, usualPorts: readonly number[]): Target[] {
  const [, host = '', port] = /^(\[[^\]]+\]|[^:]+)(?::([0-9]+))?$/.exec(entry.toLowerCase()) ?? [];
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  if (bare === '' || Number(port ?? 1) < 1 || Number(port ?? 1) > 65_535) return [];
  return (port === undefined ? usualPorts : [Number(port)]).map((one) => ({ host: bare, port: one }));
}

/** Whether it is an address by itself, or `localhost`: what may be private, as somebody named it literally. */
export const isLiteralAddress = ({ host }: Target): boolean => isIP(host) !== 0 || host === 'localhost';
