/** A worker that will be killed: opens the tier argv[4] with the state folder argv[2] and runs the step argv[3]. */
import { Readable } from 'node:stream';
import { openSandbox, tiers } from '../../sandbox/index.ts';
import { smallLimits } from './support.ts';

const [, , stateDir = '', step = '', tier = 'namespace'] = process.argv;
const sandbox = await openSandbox(
  stateDir,
  tiers.find((one) => one === tier),
);
await sandbox.run(
  {
    source: Readable.from([Buffer.alloc(1024)], { objectMode: false }),
    ...{ inputs: [], run: [step], env: {}, outputs: [], image: 'host', limits: smallLimits },
  },
  {
    onLog: (chunk) => process.stdout.write(chunk),
    onOutputs: async () => {},
    signal: new AbortController().signal,
  },
);
