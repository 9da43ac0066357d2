import { Readable } from 'node:stream';
import { extract, pack } from 'tar-stream';
import type { Sandbox } from '../../../sandbox/index.ts';

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

/** Changes what was built; the product has no switch for it. All that tamper alike come to the same bytes. */
export const tampering = (honest: Sandbox): Sandbox => ({
  ...honest,
  run: (job, io) => honest.run(job, { ...io, onOutputs: (tar) => io.onOutputs(altered(tar)) }),
});
