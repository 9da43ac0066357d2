/**
 * A worker that will be killed: opens the tier argv[4] with the state folder argv[2] and runs the step argv[3]. With `frozen` as
 * argv[5] the build stands still at its start; says `sent` once its source is on the way. With `disk` it may write more than its memory,
 * with `network` it has a proxy. With `ahead` no step runs: a sandbox waits for one; says whether one does.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { tiers } from '../../sandbox/index.ts';
import { smallLimits, unprobed } from './support.ts';

const [, , stateDir = '', step = '', tier = 'namespace', mode] = process.argv;
const sandbox = unprobed(
  stateDir,
  tiers.find((one) => one === tier),
);
const source = Readable.from([Buffer.alloc(1024)], { objectMode: false });
if (mode === 'frozen') {
  sandbox.freeze();
  // The little that follows the source is written in the same turn.
  source.once('close', () => setImmediate(() => process.stdout.write('sent')));
}
if (mode === 'ahead') {
  process.stdout.write(`${await sandbox.ahead?.(smallLimits)}`);
  await new Promise((resolve) => setTimeout(resolve, 1_000_000));
}
const socket = join(stateDir, 'proxy');
if (mode === 'network') await once(createServer().listen(socket), 'listening');
await sandbox.run(
  {
    source,
    inputs: [],
    run: [step],
    env: {},
    outputs: [],
    image: 'host',
    ...(mode === 'network' && { network: { socket } }),
    limits: { ...smallLimits, ...(mode === 'disk' && { diskBytes: 2 * smallLimits.memoryBytes }) },
  },
  {
    onLog: (chunk) => process.stdout.write(chunk),
    onOutputs: async () => {},
    signal: new AbortController().signal,
  },
);
