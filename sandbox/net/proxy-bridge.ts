import type { ChildProcess } from 'node:child_process';
import { connect, type Server, type Socket } from 'node:net';
import { requireTool } from '../host.ts';
import { sandboxLimits } from '../limits.ts';

/** TCP port of the proxy on the build's loopback, in every tier. */
export const proxyPort = 3128;

export const proxyUrl = `http://127.0.0.1:${proxyPort}`;

/** Variables that make curl, git, npm, pip and similar tools use the proxy. A job's environment cannot override them. */
export const proxyEnvironment: Readonly<Record<string, string>> = {
  http_proxy: proxyUrl,
  https_proxy: proxyUrl,
  HTTP_PROXY: proxyUrl,
  HTTPS_PROXY: proxyUrl,
};

/** Creates the socket in the network namespace of a build, passes it to the worker by IPC. Run from its text: refers to nothing outside. */
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

/** Runs the listener, closes the IPC channel, and executes the command. */
const handOverScript = `
set -eu
node=$1 program=$2; shift 2
"$node" -e "$program" || exit 125
eval "exec $NODE_CHANNEL_FD>&-"
unset NODE_CHANNEL_FD NODE_CHANNEL_SERIALIZATION_MODE
exec "$@"
`;

/**
 * Wraps a command so that it runs in a network namespace that has a loopback interface only. The worker listens there at
 * `proxyPort` before the command starts (bridgeToProxy, ADR 0015). The command must not create another network namespace.
 * To be spawned with an additional descriptor 'ipc'. Uses bwrap, which brings the loopback interface up.
 */
export function inNetworkNamespace(command: readonly string[]): string[] {
  // As root, bwrap keeps the capabilities that the tier needs; as a user, they are limited to its user namespace.
  const account = process.getuid?.() === 0 ? ['--cap-add', 'ALL'] : ['--unshare-user'];
  // When the worker is killed bwrap is too, whose own signal no process of a job's account gets: these end with its namespace of processes.
  const ends = ['--unshare-pid', '--die-with-parent'];
  return [
    ...[requireTool('bwrap'), ...account, '--unshare-net', ...ends, '--dev-bind', '/', '/', '--'],
    ...[requireTool('bash'), '--norc', '-c', handOverScript, 'quorate-network'],
    ...[process.execPath, `(${listen.toString()})(${proxyPort})`, ...command],
  ];
}

/** Forwards connections on the loopback of a command of `inNetworkNamespace` to a proxy's unix socket, until it ends. */
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
  /** Accepted and dropped connections. At the limit the listener is closed, so that further ones cost nothing. */
  let connections = 0;
  const tally = (): void => {
    if (++connections === sandboxLimits.egressConnectionsTotalMax) server?.close();
  };
  child.once('message', (_, handle) => {
    server = handle as Server;
    server.maxConnections = sandboxLimits.egressConnectionsMax;
    // A response is delivered after the client has closed its sending side.
    Object.assign(server, { allowHalfOpen: true });
    server.on('connection', pass);
    server.on('connection', tally);
    server.on('drop', tally);
    // An accept that fails is the build's loss: without a listener it would end the worker.
    server.on('error', () => {});
    if (child.connected) child.send('taken');
  });
  const close = (): void => {
    if (server?.listening) server.close();
    for (const one of open) one.destroy();
  };
  child.once('exit', close);
  child.once('error', close);
}
