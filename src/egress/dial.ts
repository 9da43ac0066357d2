import { connect, type Socket } from 'node:net';
import { QuorateError } from '../protocol/base/errors.ts';
import { egressLimits } from './limits.ts';
import { printable, type Target } from './rules.ts';

/** Connects to an IP address. Never to a name, which could resolve to another address than the checked one. */
export type Connect = (address: string, port: number) => Socket;

/** Connects without a bandwidth limit. */
export const connectHere: Connect = (address, port) => connect({ host: address, port });

/** Connects to the first of the checked addresses that accepts. @throws EGRESS_UNREACHABLE, those of `via` */
export async function dial(
  addresses: readonly string[],
  { host, port }: Target,
  via: Connect,
): Promise<Socket> {
  let last: unknown;
  for (const address of addresses.slice(0, egressLimits.addressesMax)) {
    try {
      return await connected(via(address, port));
    } catch (error) {
      last = error;
    }
  }
  if (last instanceof QuorateError) throw last;
  const why = last instanceof Error ? `: ${printable(last.message)}` : '';
  throw new QuorateError('EGRESS_UNREACHABLE', `no connection to ${host}:${port}${why}`, {
    hint: 'Check the host, the port and the network.',
    cause: last,
  });
}

function connected(socket: Socket): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(new Error('timed out')), egressLimits.connectMs);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('error', reject);
    socket.once('close', () => {
      clearTimeout(timer);
      reject(new Error('connection closed'));
    });
  });
}
