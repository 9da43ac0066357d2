// A registry of npm with generated packages, in a process of its own: as many as the first argument says.
import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { answer } from './run.ts';

/** Files of a package besides its package.json, and their size: those of npm's most used have 14 files of 4 KB in the median. */
const [files, fileBytes] = [14, 4_000];

const [count = '0'] = process.argv.slice(2);
const tarballs = new Map<string, Buffer>();
const packages: Record<string, { version: string; integrity: string }> = {};

async function tarballOf(name: string): Promise<Buffer> {
  const archive = pack();
  archive.entry({ name: 'package/package.json' }, JSON.stringify({ name, version: '1.0.0' }));
  // Text compresses to about a third.
  for (let n = 0; n < files; n += 1)
    archive.entry(
      { name: `package/lib/file-${n}.js` },
      randomBytes(fileBytes / 3)
        .toString('hex')
        .padEnd(fileBytes),
    );
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive as AsyncIterable<Buffer>) chunks.push(chunk);
  return gzipSync(Buffer.concat(chunks));
}

for (let n = 0; n < Number(count); n += 1) {
  const name = `package-${n}`;
  const bytes = await tarballOf(name);
  tarballs.set(`/${name}/-/${name}-1.0.0.tgz`, bytes);
  const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
  packages[name] = { version: '1.0.0', integrity };
}

const server = createServer(({ url = '' }, response) => {
  const bytes = tarballs.get(url);
  if (bytes === undefined) response.writeHead(404).end();
  else response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(bytes);
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

answer({
  registry: () => ({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, packages }),
});
