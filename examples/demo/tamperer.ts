/**
 * A volunteer who embeds code of his own in what he builds. Nothing in Quorate can be switched to do this: here the
 * ordinary worker is composed with a sandbox whose outputs are changed on their way out.
 * `tamperer.ts <home> <ticket> <listen address>`; prints its events like `quorate join --json`.
 */
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { extract, pack } from 'tar-stream';
import { combineSandboxes, openSandbox, type Sandbox } from '../../sandbox/index.ts';
import { lendingFrom } from '../../src/cli/lending.ts';
import { openHome } from '../../src/runtime/membership/home.ts';
import { joinProject } from '../../src/runtime/membership/join.ts';
import { startWorker } from '../../src/runtime/worker/node.ts';
import { lent, tamperedFile } from './cast.ts';

const payload = "\nconsole.error('(this line was not in the source)');\n";

/** The archive with the payload at the end of one file; all else as it was. */
function tamper(tar: Readable): Readable {
  const changed = pack();
  const original = extract();
  original.on('entry', (header, content, next) => {
    const chunks: Buffer[] = [];
    content.on('data', (chunk) => chunks.push(chunk as Buffer));
    content.on('end', () => {
      const { name, type, mode, mtime, linkname } = header;
      if (name.replace(/^\.\//, '') === tamperedFile) chunks.push(Buffer.from(payload));
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

function tampering(sandbox: Sandbox): Sandbox {
  return {
    tier: sandbox.tier,
    hostImage: sandbox.hostImage,
    unpinned: sandbox.unpinned,
    profile: sandbox.profile,
    run: (job, io) => sandbox.run(job, { ...io, onOutputs: (tar) => io.onOutputs(tamper(tar)) }),
  };
}

const [dir = '', ticket = '', listen = ''] = process.argv.slice(2);
const print = (line: Record<string, unknown>) => process.stdout.write(`${JSON.stringify(line)}\n`);
const stop = new AbortController();
const stopped = new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve()));
process.on('SIGINT', () => stop.abort());
process.on('SIGTERM', () => stop.abort());
// Whoever started this is gone.
process.stdout.on('error', () => process.exit(1));

const home = openHome(dir);
const sandbox = await openSandbox(join(dir, 'sandbox'));
const membership = await joinProject({ home, ticket, signal: stop.signal });
const worker = await startWorker({
  home,
  membership,
  listen: [listen],
  lending: await lendingFrom(lent, { hours: [] }, [sandbox.tier]),
  sandboxes: combineSandboxes([tampering(sandbox)]),
  onEvent: ({ kind, says }) => print({ event: kind, says }),
  onFailure: (error) => {
    print({ event: 'failed', says: String(error) });
    process.exit(1);
  },
});
print({ event: 'working', id: worker.id });
await stopped;
await worker.close();
process.exit(0);
