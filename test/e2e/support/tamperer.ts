// A volunteer who changes what was built. A program: --home <folder> --ticket <ticket>. It composes the worker of the
// product with a sandbox of its own; the product has no switch for it. All that tamper alike come to the same bytes.
import { Readable } from 'node:stream';
import { extract, pack } from 'tar-stream';
import { combineSandboxes, openSandbox, type Sandbox } from '../../../sandbox/index.ts';
import { defaultLending } from '../../../src/runtime/worker/node.ts';
import { homeFolder, volunteer } from './volunteer.ts';

const mark = '\n: something the source does not say\n';

/** The same archive, with a line more in every file. */
function altered(tar: Readable): Readable {
  const source = extract();
  const result = pack();
  const pump = async () => {
    for await (const entry of source) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of entry as AsyncIterable<Uint8Array>) chunks.push(chunk);
      const { size: _, ...header } = entry.header;
      if (header.type !== 'file') result.entry(entry.header).end(undefined);
      else result.entry(header, Buffer.concat([...chunks, Buffer.from(mark)]));
    }
    result.finalize();
  };
  tar.once('error', (error) => source.destroy(error));
  tar.pipe(source);
  pump().catch((error) => result.destroy(error));
  return Readable.from(result as AsyncIterable<Uint8Array>, { objectMode: false });
}

const real = await openSandbox(`${homeFolder}/sandbox`);
const sandbox: Sandbox = {
  tier: real.tier,
  hostImage: real.hostImage,
  unpinned: real.unpinned,
  profile: real.profile,
  run: (job, io) => real.run(job, { ...io, onOutputs: (tar) => io.onOutputs(altered(tar)) }),
};
await volunteer({ sandboxes: combineSandboxes([sandbox]), lending: defaultLending([real.tier]) });
