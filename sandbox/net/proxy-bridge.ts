import type { ChildProcess } from 'node:child_process';
import { connect, type Server, type Socket } from 'node:net';
import { requireTool } from '../host.ts';
import { sandboxLimits } from '../limits.ts';

/** Where a build finds the proxy, in every tier. */
export const proxyPort = 3128;

const proxyUrl = `http://127.0.0.1:${proxyPort}`;

/** What makes curl, git, npm, pip and their like ask the proxy for everything. A job's own environment cannot change it. */
export const proxyEnvironment: Readonly<Record<string, string>> = {
  http_proxy: proxyUrl,
  https_proxy: proxyUrl,
  HTTP_PROXY: proxyUrl,
  HTTPS_PROXY: proxyUrl,
};

/**
 * Runs on the host, in the network namespace of a build that has not begun: makes the socket that listens there, hands it
 * to the worker over the channel it was started with, and ends. A text of its own, so nothing here may refer to what is
 * outside of the function.
 */
function listen(port: number): void {
  const server = process.getBuiltinModule('node:net').createServer();
  const end = (): void => {
    server.close();
    if (process.connected) process.disconnect();
  };
  process.once('message', end);
  process.once('disconnect', end);
  server.listen(port, '127.0.0.1', () => process.send?.('listening', server));
}

/** Closes the channel before the command can see it. */
const handOverScript = `
set -eu
node=$1 program=$2; shift 2
"$node" -e "$program" || exit 125
eval "exec $NODE_CHANNEL_FD>&-"
unset NODE_CHANNEL_FD NODE_CHANNEL_SERIALIZATION_MODE
exec "$@"
`;

/**
 * A command that runs another in a network namespace of its own, which has an empty loopback and nothing else. On it the
 * worker listens at `proxyPort` before the other begins (see bridgeToProxy, and ADR 0015). What the other starts must make no
 * network namespace of its own. To be spawned with one more descriptor, 'ipc'. bwrap, because it brings the loopback up.
 */
export function inNetworkNamespace(command: readonly string[]): string[] {
  // Of root's, all stays that the tier itself needs; a user's has its power over its own user namespace only.
  const account = process.getuid?.() === 0 ? ['--cap-add', 'ALL'] : ['--unshare-user'];
  return [
    ...[requireTool('bwrap'), ...account, '--unshare-net', '--dev-bind', '/', '/', '--die-with-parent', '--'],
    ...[requireTool('bash'), '--norc', '-c', handOverScript, 'quorate-network'],
    ...[process.execPath, `(${listen.toString()})(${proxyPort})`, ...command],
  ];
}

/** Passes what comes in on the loopback of a command of `inNetworkNamespace` to a proxy's unix socket, until the command ends. */
export function bridgeToProxy(child: ChildProcess, socket: string): void {
  const open = new Set<Socket>();
  let server: Server | undefined;
  const pass = (client: Socket): void => {
    const proxy = connect({ path: socket, allowHalfOpen: true });
    for (const [one, other] of [
      [client, proxy],
      [proxy, client],
    ] as const) {
      open.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.once('close', () => {
        open.delete(one);
        other.destroySoon();
      });
    }
  };
  /** One that knocks and knocks is left to the kernel: it costs the worker nothing any more. */
  let knocks = 0;
  const tally = (): void => {
    if (++knocks === sandboxLimits.egressConnectionsTotalMax) server?.close();
  };
  child.once('message', (_, handle) => {
    server = handle as Server;
    server.maxConnections = sandboxLimits.egressConnectionsMax;
    // What was asked for is answered although the asker has nothing more to say.
    Object.assign(server, { allowHalfOpen: true });
    server.on('connection', pass);
    server.on('connection', tally);
    server.on('drop', tally);
    if (child.connected) child.send('taken');
  });
  const close = (): void => {
    if (server?.listening) server.close();
    for (const one of open) one.destroy();
  };
  child.once('exit', close);
  child.once('error', close);
}
