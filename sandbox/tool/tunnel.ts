/** Where things are inside. */
export const tunnelPaths = {
  node: '/run/quorate/node',
  tunnel: '/run/quorate/tunnel',
  net: '/run/quorate/net',
} as const;

/** On the loopback inside, which is empty but for this. */
const port = 3128;

/**
 * Runs inside, as a file of its own made of this very text: so nothing here may refer to what is outside of the function.
 *
 * - `tunnel <host> <port>`: stdin and stdout are a connection to there, as git wants of GIT_PROXY_COMMAND.
 * - `tunnel --serve <port> <command…>`: runs the command, and passes connections to that port on the loopback to the
 *   proxy meanwhile, for tools whose proxy must be on TCP. Ends as the command does.
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
      proxy.on('close', () => client.destroySoon());
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
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      proxy.off('data', onData);
      proxy.pause();
      if (!head.startsWith('HTTP/1.1 200')) fail(`the proxy refused: ${head.split('\r\n')[0]}`);
      proxy.unshift(Buffer.from(head.slice(end + 4), 'latin1'));
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

/** The file at `tunnelPaths.tunnel`. */
export const tunnelProgram = `#!${tunnelPaths.node}\n(${main.toString()})('${tunnelPaths.net}/proxy.sock');\n`;

/** What makes git, curl and their like ask the proxy for everything. */
export const proxyEnvironment: Readonly<Record<string, string>> = {
  http_proxy: `http://127.0.0.1:${port}`,
  https_proxy: `http://127.0.0.1:${port}`,
  GIT_PROXY_COMMAND: tunnelPaths.tunnel,
};

/** The command, with the proxy on the loopback while it runs. */
export const withLoopback = (command: readonly string[]): string[] => [
  tunnelPaths.tunnel,
  '--serve',
  String(port),
  ...command,
];
