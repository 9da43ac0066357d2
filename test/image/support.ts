import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type Header, pack } from 'tar-stream';
import { onTestFinished } from 'vitest';
import { readImage } from '../../src/image/index.ts';
import { type ImportedTree, openStore, type Store } from '../../src/store/index.ts';

export type LayerEntry = Partial<Header> & { name: string; body?: string | Uint8Array };

export async function tarOf(entries: readonly LayerEntry[]): Promise<Buffer> {
  const packer = pack();
  for (const { body = '', ...header } of entries)
    packer.entry({ mtime: new Date(1), ...header }, Buffer.from(body));
  packer.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of packer as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export const file = (name: string, body = '', mode = 0o644): LayerEntry => ({ name, body, mode });
export const dir = (name: string): LayerEntry => ({ name, type: 'directory', mode: 0o755 });
export const link = (name: string, linkname: string): LayerEntry => ({ name, type: 'symlink', linkname });
export const hardLink = (name: string, linkname: string): LayerEntry => ({ name, type: 'link', linkname });

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
export type Packing = 'tar' | 'gzip' | 'zstd';
const packed = {
  tar: (b: Buffer) => b,
  gzip: (b: Buffer) => gzipSync(b, { level: 1 }),
  zstd: zstdCompressSync,
};

export interface Layout {
  /** By their names in it. */
  files: Map<string, Buffer>;
  layers: { digest: string; size: number }[];
}

interface LayoutOptions {
  packing?: Packing;
  architecture?: string;
  /** Instead of each layer as it would be packed. */
  packed?: Buffer;
}

/** An OCI image layout with one image. */
export async function layoutOf(
  layers: readonly (readonly LayerEntry[] | Buffer)[],
  { packing = 'gzip', architecture = 'amd64', packed: given }: LayoutOptions = {},
): Promise<Layout> {
  const files = new Map<string, Buffer>();
  const put = (mediaType: string, bytes: Buffer) => {
    const digest = digestOf(bytes);
    files.set(`blobs/${digest.replace(':', '/')}`, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const json = (value: unknown) => Buffer.from(JSON.stringify(value));
  const tars = await Promise.all(layers.map((one) => (Buffer.isBuffer(one) ? one : tarOf(one))));
  const kept = tars.map((tar) =>
    put(
      `application/vnd.oci.image.layer.v1.tar${packing === 'tar' ? '' : `+${packing}`}`,
      given ?? Buffer.from(packed[packing](tar)),
    ),
  );
  const config = put(
    'application/vnd.oci.image.config.v1+json',
    json({ architecture, os: 'linux', rootfs: { type: 'layers', diff_ids: tars.map(digestOf) } }),
  );
  const manifest = put(
    'application/vnd.oci.image.manifest.v1+json',
    json({ schemaVersion: 2, config, layers: kept }),
  );
  files.set('oci-layout', json({ imageLayoutVersion: '1.0.0' }));
  files.set('index.json', json({ schemaVersion: 2, manifests: [manifest] }));
  return { files, layers: kept };
}

export async function scratch(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'quorate-test-image-'));
  onTestFinished(() => rm(made, { recursive: true, force: true }));
  return made;
}

export async function writeLayout(layout: Layout): Promise<string> {
  const at = join(await scratch(), 'layout');
  await writeLayoutTo(layout, at);
  return at;
}

export async function writeLayoutTo({ files }: Layout, at: string): Promise<void> {
  for (const [name, bytes] of files) {
    await mkdir(dirname(join(at, name)), { recursive: true });
    await writeFile(join(at, name), bytes);
  }
}

export async function writeTarOf(files: ReadonlyMap<string, Buffer>): Promise<string> {
  const at = join(await scratch(), 'image.tar');
  await writeFile(at, await tarOf([...files].map(([name, body]) => ({ name, body, mode: 0o644 }))));
  return at;
}

/** Images as `docker save` wrote them for long. */
export async function savedOf(
  layers: readonly (readonly LayerEntry[])[],
  tags = ['x:1'],
): Promise<Map<string, Buffer>> {
  const tars = await Promise.all(layers.map(tarOf));
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: tars.map(digestOf) },
    }),
  );
  const name = `${createHash('sha256').update(config).digest('hex')}.json`;
  const paths = tars.map((_, index) => `${index}/layer.tar`);
  return new Map([
    [name, config],
    ...tars.map((tar, index): [string, Buffer] => [paths[index] ?? '', tar]),
    ['manifest.json', Buffer.from(JSON.stringify([{ Config: name, RepoTags: tags, Layers: paths }]))],
  ]);
}

export async function newStore(): Promise<Store> {
  const store = await openStore({ dir: join(await scratch(), 'store') });
  onTestFinished(() => store.close());
  return store;
}

export interface Read {
  store: Store;
  tree: ImportedTree;
  /** `path` of a folder ends in "/"; of a link `path -> target`; of a file `path=content`, `path*=content` when executable. */
  list: string[];
}

export async function read(
  path: string,
  choice: { name?: string; arch?: 'x86_64' | 'aarch64' } = {},
): Promise<Read> {
  const store = await newStore();
  const tar = await readImage(path, {
    scratch: await scratch(),
    signal: AbortSignal.timeout(120_000),
    arch: 'x86_64',
    ...choice,
  });
  const tree = await store.importTar(tar, { into: store.public, rules: 'image' });
  const list: string[] = [];
  for await (const entry of store.list(tree.root, { rules: 'image' })) {
    if (entry.kind === 'dir') list.push(`${entry.path}/`);
    else if (entry.kind === 'link') list.push(`${entry.path} -> ${entry.target}`);
    else {
      const bytes = await store.readBytes(entry.cid, { maxBytes: 1e6 });
      list.push(`${entry.path}${entry.executable ? '*' : ''}=${Buffer.from(bytes).toString()}`);
    }
  }
  return { store, tree, list };
}

/** Files that every image has, whatever was in its layers. */
export const always = [
  'build/',
  'dev/',
  'etc/',
  'etc/group=',
  'etc/hosts=',
  'etc/nsswitch.conf=',
  'etc/passwd=',
  'proc/',
  'run/',
  'sys/',
  'tmp -> build/tmp',
];

/** The rest of a root file system, from its layers. */
export async function rest(layers: readonly (readonly LayerEntry[])[]): Promise<string[]> {
  const { list } = await read(await writeLayout(await layoutOf(layers)));
  return list.filter((one) => !always.includes(one));
}
