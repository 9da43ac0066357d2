// A volunteer who changes what was built. A program: --home <folder> --ticket <ticket>. It composes the worker of the
// product with a sandbox of its own; the product has no switch for it. All that tamper alike come to the same bytes.
import { Readable } from 'node:stream';
import { parseArgs } from 'node:util';
import { extract, pack } from 'tar-stream';
import { openSandbox, type Sandbox, together } from '../../../sandbox/index.ts';
import { openHome } from '../../../src/runtime/home.ts';
import { joinProject } from '../../../src/runtime/join.ts';
import { defaultLending, startWorker } from '../../../src/runtime/worker-node.ts';

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

const tell = (line: unknown) => process.stdout.write(`${JSON.stringify(line)}\n`);
const { values } = parseArgs({ options: { home: { type: 'string' }, ticket: { type: 'string' } } });
const { home: dir = '', ticket = '' } = values;
const home = openHome(dir);
const real = await openSandbox(`${dir}/sandbox`);
const sandbox: Sandbox = {
  tier: real.tier,
  hostImage: real.hostImage,
  unpinned: real.unpinned,
  profile: real.profile,
  run: (job, io) => real.run(job, { ...io, onOutputs: (tar) => io.onOutputs(altered(tar)) }),
};
const membership = await joinProject({ home, ticket, signal: AbortSignal.timeout(30_000) });
const node = await startWorker({
  home,
  membership,
  sandboxes: together([sandbox]),
  listen: ['/ip4/127.0.0.1/tcp/0'],
  lending: defaultLending([real.tier]),
  onEvent: ({ kind, ...rest }) => tell({ event: kind, ...rest }),
  onFailure: (error) => {
    throw error;
  },
});
tell({ event: 'working', id: node.id, addresses: node.addresses() });
process.once('SIGTERM', () => {
  void node.close().then(() => process.exit(0));
});
