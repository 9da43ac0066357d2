import { randomBytes } from 'node:crypto';
import { Command, CommanderError } from 'commander';
import { QuorateError } from '../src/core/errors.ts';
import { openMesh } from '../src/mesh/index.ts';
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
}

async function run(options: Options): Promise<void> {
  const opening = openMesh({
    key: options.key === undefined ? randomBytes(32) : loadKey(options.key),
    listen: options.listen,
    bootstrap: options.bootstrap ?? [],
    topics: [],
    role: 'bootstrap',
    ...(options.announce ? { announce: options.announce } : {}),
    ...(options.peers ? { peersFile: options.peers } : {}),
  });
  const stop = (): void => {
    process.once('SIGINT', () => process.exit(EXIT.failure));
    process.once('SIGTERM', () => process.exit(EXIT.failure));
    setTimeout(() => process.exit(0), STOP_MS_MAX).unref();
    void opening
      .then((mesh) => mesh.close())
      .catch(() => {})
      .then(() => process.exit(0));
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const mesh = await opening;
  const addresses = mesh.addresses();
  const text = options.json
    ? JSON.stringify({ event: 'listening', id: mesh.id, addresses })
    : addresses.join('\n');
  process.stdout.write(`${text}\n`);
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
