import { spawnSync } from 'node:child_process';
import { findTool, requireTool } from '../host.ts';
import { proxyPort, proxyUrl } from '../net/proxy-bridge.ts';

/** Paths inside of the sandbox. */
export const tunnelPaths = {
  node: '/run/quorate/node',
  tunnel: '/run/quorate/tunnel',
  net: '/run/quorate/net',
} as const;

/**
 * The program that runs inside, for Node:
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

/**
 * The same for Perl, which starts in a fifth of the time. Each direction of a connection is a process that reads and writes in
 * turn. What serves the loopback lives as long as the sandbox, whose first process ends with the command.
 */
const perlProgram = `use strict;
use warnings;
use Socket;

sub fail { print STDERR "quorate: $_[0]\\n"; exit 1 }

sub proxy {
  socket(my $proxy, PF_UNIX, SOCK_STREAM, 0) or fail("no socket: $!");
  connect($proxy, sockaddr_un('${tunnelPaths.net}/proxy.sock')) or fail("the proxy is gone: $!");
  return $proxy;
}

sub put {
  my ($to, $bytes) = @_;
  while (length $bytes) {
    my $written = syswrite($to, $bytes) or return 0;
    substr($bytes, 0, $written, '');
  }
  return 1;
}

sub copy {
  my ($from, $to) = @_;
  while (sysread($from, my $bytes, 65536)) { put($to, $bytes) or return }
}

# Both directions. Ends when the second has ended.
sub relay {
  my ($proxy, $in, $out) = @_;
  my $up = fork() // fail("no process: $!");
  if ($up == 0) {
    copy($in, $proxy);
    shutdown($proxy, 1);
    exit 0;
  }
  copy($proxy, $out);
  return $up;
}

sub serve {
  my ($port, @command) = @_;
  socket(my $server, PF_INET, SOCK_STREAM, 0) or fail("no socket: $!");
  bind($server, sockaddr_in($port, INADDR_LOOPBACK)) or fail("port $port: $!");
  listen($server, SOMAXCONN) or fail("port $port: $!");
  my $acceptor = fork() // fail("no process: $!");
  if ($acceptor != 0) {
    close $server;
    exec { $command[0] } @command or fail("$command[0]: $!");
  }
  # The command's output ends when the command ends.
  open(STDIN, '<', '/dev/null');
  open(STDOUT, '>', '/dev/null');
  open(STDERR, '>', '/dev/null');
  $SIG{CHLD} = 'IGNORE';
  while (accept(my $client, $server)) {
    my $handler = fork() // fail("no process: $!");
    if ($handler == 0) {
      close $server;
      my $up = relay(proxy(), $client, $client);
      shutdown($client, 1);
      waitpid($up, 0);
      exit 0;
    }
  }
}

sub tunnel {
  my ($host, $port) = @_;
  my $proxy = proxy();
  my $name = $host =~ /:/ && $host !~ /^\\[/ ? "[$host]" : $host;
  put($proxy, "CONNECT $name:$port HTTP/1.1\\r\\nHost: $name:$port\\r\\n\\r\\n") or fail('the proxy hung up');
  my $head = '';
  while ($head !~ /\\r\\n\\r\\n/) { sysread($proxy, $head, 65536, length $head) or fail('the proxy hung up') }
  my ($answer, $rest) = split /\\r\\n\\r\\n/, $head, 2;
  fail('the proxy refused: ' . (split /\\r\\n/, $answer)[0]) unless $answer =~ m{^HTTP/1\\.1 200};
  put(\\*STDOUT, $rest);
  kill 'KILL', relay($proxy, \\*STDIN, \\*STDOUT);
}

my ($first, $second, @rest) = @ARGV;
if ($first eq '--serve') { serve($second, @rest) } else { tunnel($first, $second) }
`;

/** Interpreter of the tunnel program in the sandbox. */
export type TunnelRunner = 'perl' | 'node';

let runner: TunnelRunner | undefined;

/** Perl where this host has it, with its module of sockets; Node elsewhere. */
export function tunnelRunner(): TunnelRunner {
  runner ??= hasPerl() ? 'perl' : 'node';
  return runner;
}

function hasPerl(): boolean {
  const perl = findTool('perl');
  if (perl === undefined) return false;
  return spawnSync(perl, ['-MSocket', '-e', '1'], { stdio: 'ignore', timeout: 5_000 }).status === 0;
}

/** Content of the file at `tunnelPaths.tunnel`. */
export const tunnelProgram = (runner: TunnelRunner): string =>
  runner === 'perl'
    ? `#!${requireTool('perl')}\n${perlProgram}`
    : `#!${tunnelPaths.node}\n(${main.toString()})('${tunnelPaths.net}/proxy.sock');\n`;

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
