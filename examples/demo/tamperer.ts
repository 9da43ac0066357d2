/**
 * A volunteer who embeds code of his own in what he builds. Nothing in Quorate can be switched to do this: here the
 * ordinary worker is composed with a sandbox whose outputs are changed on their way out. All who tamper come to the same bytes.
 * `tamperer.ts <home> <ticket> <listen address>`
 */
import { Readable } from 'node:stream';
import { extract, pack } from 'tar-stream';
import type { Sandbox } from '../../sandbox/index.ts';
import { payload, tamperedFiles } from './cast.ts';
import { workWith } from './composed-worker.ts';

/** The archive with the payload at the end of those files; all else as it was. */
function tamper(tar: Readable): Readable {
  const changed = pack();
  const original = extract();
  original.on('entry', (header, content, next) => {
    const chunks: Buffer[] = [];
    content.on('data', (chunk) => chunks.push(chunk as Buffer));
    content.on('end', () => {
      const { name, type, mode, mtime, linkname } = header;
      if (tamperedFiles.includes(name.replace(/^\.\//, ''))) chunks.push(Buffer.from(payload));
      changed.entry({ name, type, mode, mtime, linkname }, Buffer.concat(chunks), next);
    });
    content.on('error', next);
  });
  original.on('finish', () => changed.finalize());
  original.on('error', (error) => changed.destroy(error));
  tar.on('error', (error) => original.destroy(error));
  tar.pipe(original);
  return Readable.from(changed);
}

await workWith(
  (sandbox: Sandbox): Sandbox => ({
    tier: sandbox.tier,
    hostImage: sandbox.hostImage,
    unpinned: sandbox.unpinned,
    profile: sandbox.profile,
    run: (job, io) => sandbox.run(job, { ...io, onOutputs: (tar) => io.onOutputs(tamper(tar)) }),
  }),
);
