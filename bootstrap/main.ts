import { randomBytes } from 'node:crypto';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { parseMonitorAddress } from '../src/http/addresses.ts';
import type { Monitor } from '../src/http/monitor.ts';
import { type Mesh, openMesh } from '../src/mesh/index.ts';
import { meshCheck } from '../src/node/health.ts';
import { openNode } from '../src/node/kernel/open-node.ts';
import { type NodeEvent, teller } from '../src/node/node-events.ts';
import { isJournal, version } from '../src/program.ts';
import { QuorateError } from '../src/protocol/base/errors.ts';
import { jsonLine } from '../src/protocol/base/escape.ts';
import { isLogged, type LogLevel, logLevels, logRecord, logText } from '../src/protocol/base/log-lines.ts';
import { loadKey } from './key.ts';

/** Exit codes: 0 stopped by a signal, 1 internal error, 2 wrong usage, 3 an error with a code. */
const EXIT = { failure: 1, usage: 2, coded: 3 };
/** A second signal, or a stop that takes longer than this, ends the process at once. */
const STOP_MS_MAX = 2_500;

interface Options {
  listen: string[];
  announce?: string[];
  bootstrap?: string[];
  key?: string;
  peers?: string;
  json?: boolean;
  logLevel: LogLevel;
  logFormat: 'text' | 'json';
  metrics?: { host: string; port: number };
}

const service = 'bootstrap';

async function run(options: Options): Promise<void> {
  const isJson = options.json === true || options.logFormat === 'json';
  const print = (line: string) => void process.stdout.write(`${line}\n`);
  const log = printer(options.logLevel, isJson, print);
  const opening = openNode({ onEvent: log, onFailure() {} }, async (kernel) => {
    const monitor = await monitorOf(options, log);
    if (monitor !== undefined) await kernel.use(monitor);
    const mesh = await kernel.use(
      openMesh({
        key: options.key === undefined ? randomBytes(32) : await loadKey(options.key),
        listen: options.listen,
        bootstrap: options.bootstrap ?? [],
        topics: [],
        role: 'bootstrap',
        announce: options.announce,
        peersFile: options.peers,
      }),
    );
    if (monitor !== undefined) await watch(monitor, mesh);
    return { mesh, tell: teller(monitor?.counted(log) ?? log) };
  });
  const stop = (): void => {
    process.once('SIGINT', () => process.exit(EXIT.failure));
    process.once('SIGTERM', () => process.exit(EXIT.failure));
    setTimeout(() => process.exit(0), STOP_MS_MAX).unref();
    void opening
      .then((node) => node.close())
      .catch(() => {})
      .then(() => process.exit(0));
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const { mesh, tell } = await opening;
  const addresses = mesh.addresses();
  print(isJson ? jsonLine({ event: 'listening', id: mesh.id, addresses }) : addresses.join('\n'));
  mesh.onPeer(({ peer, kind }) => tell('debug', 'peer', `${kind} ${peer}`, { peer, state: kind }));
}

/** Prints events of this level and above. */
function printer(
  least: LogLevel,
  isJson: boolean,
  print: (line: string) => void,
): (event: NodeEvent) => void {
  const journald = isJournal(process.env.JOURNAL_STREAM);
  return (event) => {
    if (!isLogged(least, event.level)) return;
    const record = logRecord(service, event);
    print(isJson ? jsonLine(record) : logText(record, { journald }));
  };
}

async function monitorOf(
  { metrics }: Options,
  log: (event: NodeEvent) => void,
): Promise<Monitor | undefined> {
  if (metrics === undefined) return undefined;
  const { openMonitor } = await import('../src/http/monitor.ts');
  const monitor = await openMonitor({ ...metrics, service, version: version() });
  monitor.announce(teller(log));
  return monitor;
}

async function watch(monitor: Monitor, mesh: Mesh): Promise<void> {
  const { meterMesh } = await import('../src/node/node-metrics.ts');
  meterMesh(monitor.registry, mesh);
  monitor.watch({ live: [], ready: [meshCheck(mesh)] });
}

function metricsAddress(text: string): { host: string; port: number } {
  const address = parseMonitorAddress(text);
  if (address === undefined) throw new InvalidArgumentError('Give a port, or host and port: 127.0.0.1:9464.');
  return address;
}

const several = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

const program = new Command('quorate-bootstrap')
  .description('First peer and relay of a Quorate network; holds no key of any project')
  .requiredOption(
    '--listen <multiaddr>',
    'address to listen on, e.g. /ip4/0.0.0.0/tcp/4001; repeatable',
    several,
  )
  .option(
    '--announce <multiaddr>',
    'address to tell others instead, e.g. /dns4/boot.example.org/tcp/4001',
    several,
  )
  .option('--bootstrap <multiaddr>', 'another bootstrap node to stay connected to; repeatable', several)
  .option('--key <file>', 'key file, created if missing; without it the address changes with every start')
  .option('--peers <file>', 'file of remembered peers')
  .option('--json', 'one JSON object per line on standard output')
  .addOption(
    new Option('--log-level <level>', 'least level of what is logged').choices(logLevels).default('info'),
  )
  .addOption(
    new Option('--log-format <format>', 'lines of text, or of JSON as with --json')
      .choices(['text', 'json'])
      .default('text'),
  )
  .option(
    '--metrics <[host:]port>',
    'serve metrics and health by HTTP; without a host on 127.0.0.1 only',
    metricsAddress,
  )
  .exitOverride()
  .action(run);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : EXIT.usage;
  } else if (error instanceof QuorateError) {
    const { code, message, hint } = error;
    const text = process.argv.includes('--json')
      ? JSON.stringify({ event: 'error', code, message, hint })
      : `${code}: ${message}${hint === undefined ? '' : `\n  ${hint}`}`;
    process.stderr.write(`${text}\n`);
    process.exitCode = EXIT.coded;
  } else throw error;
}
