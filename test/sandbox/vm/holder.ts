/** A worker that will be killed: runs the step argv[3] in a machine, with the state folder argv[2] and the image argv[4]. */
import { Readable } from 'node:stream';
import { smallLimits } from '../support.ts';
import { emulatedWith } from './support.ts';

const [, , stateDir = '', step = '', file = ''] = process.argv;
const image = { cid: 'tools', directory: async () => file, erofs: async () => file };
await emulatedWith(stateDir).run(
  {
    source: Readable.from([Buffer.alloc(1024)], { objectMode: false }),
    inputs: [],
    run: [step],
    env: {},
    outputs: [],
    image,
    limits: smallLimits,
  },
  {
    onLog: (chunk) => process.stdout.write(chunk),
    onOutputs: async () => {},
    signal: new AbortController().signal,
  },
);
