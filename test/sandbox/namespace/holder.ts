/** A worker that will be killed: opens a sandbox with the state folder of argv[2] and runs the step of argv[3]. */
import { Readable } from 'node:stream';
import { openSandbox } from '../../../sandbox/index.ts';
import { smallLimits } from '../support.ts';

const [, , stateDir = '', step = ''] = process.argv;
const sandbox = await openSandbox(stateDir);
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
