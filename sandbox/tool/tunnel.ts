import { proxyPort, proxyUrl } from '../net/proxy-bridge.ts';

/** Paths inside of the sandbox. */
export const tunnelPaths = {
  node: '/run/quorate/node',
  tunnel: '/run/quorate/tunnel',
  net: '/run/quorate/net',
} as const;

/**
 * The program that runs inside:
 *
 * - `tunnel <host> <port>`: connects standard input and output to a server, for GIT_PROXY_COMMAND (git-config(1)).
 * - `tunnel --serve <port> <command…>`: runs the command and meanwhile forwards connections to that port on the loopback to
 *   the proxy, for tools whose proxy must be at a TCP address. Exits with the command's status.
 *
 * It is run from its source text, so it must not refer to anything outside.
 */
function main(socket: string): void {
  const { connect, createServer } = process.getBuiltinModule('node:net');
  const { spawn } = process.getBuiltinModule('node:child_process');
  const fail = (why: string): never => {
    process.stderr.write(`quorate: ${why}\n`);
    process.exit(1);
  };

  const serve = (at: number, [file = '', ...args]: string[]): void => {
    const server = createServer({ allowHalfOpen: true }, (client) => {
      const proxy = connect({ path: socket, allowHalfOpen: true });
      client.pipe(proxy).pipe(client);
      client.on('error', () => proxy.destroy());
      proxy.on('error', () => client.destroy());
    });
    server.listen(at, '127.0.0.1', () => {
      const child = spawn(file, args, { stdio: 'inherit' });
      child.on('error', (error) => fail(error.message));
      child.on('exit', (code) => process.exit(code ?? 1));
    });
  };

  const tunnel = (host: string, at: string): void => {
    const proxy = connect({ path: socket });
    proxy.on('error', (error) => fail(`the proxy is gone: ${error.message}`));
    const name = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
    proxy.write(`CONNECT ${name}:${at} HTTP/1.1\r\nHost: ${name}:${at}\r\n\r\n`);
    let head = '';
    const onData = (chunk: Buffer): void => {
      head += chunk.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      proxy.off('data', onData);
      if (!head.startsWith('HTTP/1.1 200')) fail(`the proxy refused: ${head.split('\r\n')[0]}`);
      proxy.unshift(Buffer.from(head.slice(head.indexOf('\r\n\r\n') + 4), 'latin1'));
      proxy.pipe(process.stdout);
      process.stdin.pipe(proxy);
    };
    proxy.on('data', onData);
    proxy.on('close', () => {
      if (!head.includes('\r\n\r\n')) fail('the proxy hung up');
    });
  };

  const [first = '', second = '', ...rest] = process.argv.slice(2);
  if (first === '--serve') serve(Number(second), rest);
  else tunnel(first, second);
}

/** Content of the file at `tunnelPaths.tunnel`. */
export const tunnelProgram = (): string =>
  `#!${tunnelPaths.node}\n(${main.toString()})('${tunnelPaths.net}/proxy.sock');\n`;

/** Variables that make git and curl use the proxy. */
export const toolProxyEnvironment: Readonly<Record<string, string>> = {
  http_proxy: proxyUrl,
  https_proxy: proxyUrl,
  GIT_PROXY_COMMAND: tunnelPaths.tunnel,
};

/** Wraps a command so that the proxy is on the loopback while it runs. */
export const withLoopback = (command: readonly string[]): string[] => [
  tunnelPaths.tunnel,
  '--serve',
  String(proxyPort),
  ...command,
];
