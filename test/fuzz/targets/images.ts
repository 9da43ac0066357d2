import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { openBlobs } from '../../../src/image/blobs.ts';
import { debianSources } from '../../../src/image/debian.ts';
import { damaged } from '../../../src/image/errors.ts';
import { applyLayer, Budget } from '../../../src/image/layer.ts';
import {
  configSchema,
  decodeJson,
  indexSchema,
  layersOf,
  manifestSchema,
  savedSchema,
} from '../../../src/image/layout.ts';
import { normaliseRoot, relativeTarget } from '../../../src/image/normalise.ts';
import { Root } from '../../../src/image/root-tree.ts';
import { checkLink, splitName } from '../../../src/image/tar-entries.ts';
import { unzstd } from '../../../src/image/zstd.ts';
import { mutatedBytes, mutatedText } from '../arbitraries.ts';
import { cuts, Scratch, type TarEntry, tarBytes } from '../corpus.ts';
import { type AnyTarget, define, must } from '../target.ts';

const scratch = new Scratch();
let written = 0;

/** A file of its own for each input; one folder for all. */
async function fileOf(bytes: Uint8Array): Promise<string> {
  const dir = join(await scratch.dir(), 'image');
  await mkdir(dir, { recursive: true });
  const file = join(dir, String(written++ % 8));
  await writeFile(file, bytes);
  return file;
}

const layerEntries: readonly (readonly TarEntry[])[] = [
  [],
  [
    { name: './', type: 'directory' },
    { name: './usr/bin/tool', body: 'x', mode: 0o4755 },
    { name: './bin', type: 'symlink', linkname: '/usr/bin' },
    { name: './bin/again', type: 'link', linkname: './usr/bin/tool' },
    { name: './usr/.wh.gone', body: '' },
    { name: './etc/.wh..wh..opq', body: '' },
  ],
  [
    { name: 'loop', type: 'symlink', linkname: 'loop' },
    { name: 'l', type: 'symlink', linkname: 'a/../'.repeat(300) },
    { name: 'a', type: 'directory' },
    { name: 'l/x', body: '', pax: { comment: 'c'.repeat(600) } },
  ],
];

const layer = define<Uint8Array>({
  name: 'image-layer',
  seeds: () => Promise.all(layerEntries.map(tarBytes)),
  arbitrary: mutatedBytes,
  // The input goes to the disk first.
  msMax: 200,
  async run(bytes) {
    const root = new Root();
    root.addFolder(['usr', 'share'], 0);
    await applyLayer(root, await fileOf(bytes), 1, new Budget(), AbortSignal.timeout(10_000));
    for (const { path, ...entry } of normaliseRoot(root)) {
      must(!path.startsWith('/') && !path.split('/').includes('..'), 'a path leads out of the image');
      if (entry.kind === 'file') must(entry.content.size >= 0, 'a file of less than nothing');
      if (entry.kind === 'link') must(!entry.target.startsWith('/'), 'a link is absolute');
    }
  },
  close: () => scratch.close(),
});

const digest = `sha256:${'0'.repeat(64)}`;
const descriptor = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 2 };
const config = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [digest] } };
const saved = [{ Config: 'c.json', RepoTags: ['x:1'], Layers: ['0/layer.tar'] }];
const json = (value: unknown): Uint8Array => new Uint8Array(Buffer.from(JSON.stringify(value)));

const archive = define<Uint8Array>({
  name: 'image-archive',
  seeds: () =>
    Promise.all([
      tarBytes([
        { name: 'manifest.json', body: JSON.stringify(saved) },
        { name: 'c.json', body: JSON.stringify(config) },
        { name: '1/layer.tar', body: 'x' },
        { name: '0/layer.tar', type: 'symlink', linkname: '../1/layer.tar' },
      ]),
    ]),
  arbitrary: mutatedBytes,
  msMax: 200,
  async run(bytes) {
    const blobs = await openBlobs(await fileOf(bytes), AbortSignal.timeout(10_000));
    for (const { open } of await layersOf(blobs, { arch: 'x86_64' })) {
      const blob = await open();
      let size = 0;
      for await (const chunk of blob.stream() as AsyncIterable<Uint8Array>) size += chunk.length;
      must(size <= bytes.length, 'a layer is larger than what it is in');
    }
  },
});

const manifest = define<Uint8Array>({
  name: 'image-manifest',
  seeds: async () => [
    json({ manifests: [{ ...descriptor, platform: { os: 'linux', architecture: 'amd64' } }] }),
    json({ schemaVersion: 2, config: descriptor, layers: [descriptor] }),
    json(config),
    json(saved),
  ],
  arbitrary: mutatedBytes,
  run(bytes) {
    const taken = [indexSchema, manifestSchema, configSchema, savedSchema].map((schema) => {
      try {
        return decodeJson<unknown>(bytes, schema, 'it');
      } catch (error) {
        return error;
      }
    });
    const first = taken.find((one) => !(one instanceof Error));
    if (first === undefined) throw taken[0];
  },
});

const name = define<{ path: string; target: string }>({
  name: 'image-path',
  seeds: async () => [
    { path: 'a/b', target: '/x' },
    { path: './a/', target: '../../x' },
  ],
  arbitrary: () => {
    const text = mutatedText(['a/b', './a/', '/x', '../x/./y'], ['/', '../', './', 'a/', '\0', '\ufffd']);
    return fc.record({ path: text, target: text });
  },
  run({ path, target }) {
    const parts = splitName(path);
    if (parts.length === 0) return;
    const led = relativeTarget(parts.join('/'), checkLink(path, target));
    must(!led.startsWith('/') && led !== '', 'a link is absolute');
    let depth = parts.length - 1;
    for (const part of led.split('/').filter((one) => one !== '' && one !== '.')) {
      if (part !== '..') break;
      depth -= 1;
      must(depth >= 0, 'a link climbs out of the image');
    }
  },
});

const sources = define<string>({
  name: 'apt-sources',
  seeds: async () => [
    'deb [arch=amd64] http://mirror.example trixie main\n',
    'Types: deb\nURIs: http://mirror.example\nSuites: trixie\nSigned-By:\n -----BEGIN\n .\n',
  ],
  arbitrary: (seeds) => mutatedText(seeds, ['\n', '\n\n', ' ', 'deb ', 'Suites: ', ':', '[', ']']),
  run(text) {
    for (const form of ['list', 'deb822'] as const)
      for (const found of debianSources(text, 'trixie', form))
        must(found.includes('trixie'), 'what is taken is not of the suite');
  },
});

const skipped = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2]);

const zstd = define<Uint8Array>({
  name: 'image-zstd',
  seeds: async () =>
    ['', 'x', 'ab'.repeat(5_000)].map((text) => {
      const frame = zstdCompressSync(Buffer.from(text));
      return new Uint8Array(Buffer.concat([frame, skipped, frame]));
    }),
  arbitrary: mutatedBytes,
  // Each frame is a stream of its own.
  msMax: 400,
  async run(bytes) {
    try {
      let size = 0;
      for await (const chunk of unzstd(Readable.from(cuts(bytes)[2] ?? []))) {
        size += chunk.length;
        // As the budget of an image ends it.
        if (size > 2 ** 20) return;
      }
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      const says = error instanceof Error ? error.message : '';
      if (!/^(ZSTD|Z_BUF|ERR_STREAM)/.test(code) && !/Zstandard|truncated/.test(says)) throw error;
      throw damaged('a layer cannot be unpacked', error);
    }
  },
});

export const targets: readonly AnyTarget[] = [zstd, layer, archive, manifest, name, sources];
