import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import type { Sandbox, SandboxJob } from '../../../sandbox/index.ts';
import {
  type Layout,
  type LockedFile,
  layOut,
  layoutFolders,
  layoutTar,
} from '../../../src/dependencies/index.ts';
import { readLocks } from '../../../src/protocol/lock-formats/index.ts';
import { type Entry, MiB, play, type Ran, tarOf } from '../../sandbox/support.ts';

/** Bytes of packages, by the names of blobs. */
export class Blobs {
  readonly #bytes = new Map<string, Buffer>();
  /** Names of blobs by their `h1:` of go.sum, in hexadecimal. */
  readonly #modules = new Map<string, string>();

  /** Files that the locks of a source demand, with the bytes that have their hashes. */
  demandedBy(source: Readonly<Record<string, string>>, locks: readonly string[]): LockedFile[] {
    const files = new Map(Object.entries(source).map(([path, text]) => [path, Buffer.from(text)]));
    return readLocks(locks, files, 'x86_64').map((entry) => {
      const { algorithm, digests } = entry.integrity;
      const found = [...this.#bytes].find(([name, bytes]) =>
        algorithm === 'dirhash'
          ? this.#modules.get(digests[0] ?? '') === name
          : digests.includes(hex(algorithm, bytes)),
      );
      if (found === undefined) throw new Error(`no bytes of ${entry.purl}`);
      return { ...entry, blob: { name: found[0], size: found[1].length } };
    });
  }

  add(bytes: Buffer, dirhash?: string): LockedFile['blob'] {
    const name = createHash('sha256').update(bytes).digest('hex');
    this.#bytes.set(name, bytes);
    if (dirhash !== undefined) this.#modules.set(dirhash, name);
    return { name, size: bytes.length };
  }

  readonly open = (name: string): AsyncIterable<Uint8Array> =>
    Readable.from([this.#bytes.get(name) as Buffer]);
}

export const hex = (algorithm: string, bytes: Buffer): string =>
  createHash(algorithm).update(bytes).digest('hex');

export const sri = (algorithm: string, bytes: Buffer): string =>
  `${algorithm}-${createHash(algorithm).update(bytes).digest('base64')}`;

/** A gzipped tar, as npm and cargo pack one. */
export async function archive(entries: Entry[]): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of tarOf(entries) as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return gzipSync(Buffer.concat(chunks));
}

/** A package of npm with one module, which exports a text. */
export const npmPackage = (name: string, version: string, more: object = {}): Promise<Buffer> =>
  archive([
    { name: 'package/package.json', content: JSON.stringify({ name, version, ...more }) },
    { name: 'package/index.js', content: `module.exports = ${JSON.stringify(`${name} ${version}`)};\n` },
  ]);

type Given = Partial<LockedFile> & Pick<LockedFile, 'ecosystem' | 'name' | 'version' | 'file' | 'blob'>;

/** A locked file with what follows from its blob. */
export const lockedFile = (given: Given): LockedFile => ({
  purl: `pkg:${given.ecosystem}/${given.name}@${given.version}`,
  integrity: { algorithm: 'sha256', digests: [given.blob.name] },
  origin: { kind: 'registry' },
  lock: 'lock',
  line: 1,
  ...given,
});

/** A package of npm, as its registry's tarball. */
export function npmFile(
  blobs: Blobs,
  [name, version, bytes]: [string, string, Buffer],
  more: Partial<LockedFile> = {},
): LockedFile {
  const file = `${name.slice(name.indexOf('/') + 1)}-${version}.tgz`;
  const locked = sri('sha512', bytes);
  return lockedFile({ ecosystem: 'npm', name, version, file, locked, blob: blobs.add(bytes), ...more });
}

const dependenciesOf = (layout: Layout, { open }: Blobs): SandboxJob['dependencies'] => ({
  folders: layoutFolders.map((name) => ({ name, tar: layoutTar(layout, name, open) })),
  env: layout.env,
});

/** Runs steps in a sandbox that holds what the locks demand. The source is files by their paths. */
export async function build(
  sandbox: Sandbox,
  source: Readonly<Record<string, string>>,
  { locks, blobs, files }: { locks: string[]; blobs: Blobs; files?: LockedFile[] },
  run: string[],
  inputs: SandboxJob['inputs'] = [],
): Promise<Ran> {
  return play(sandbox, run, {
    source: tarOf(Object.entries(source).map(([name, content]) => ({ name, content }))),
    dependencies: dependenciesOf(layOut(locks, files ?? blobs.demandedBy(source, locks)), blobs),
    inputs,
    outputs: ['.'],
    limits: { memoryBytes: 2048 * MiB, diskBytes: 1024 * MiB, pids: 512, seconds: 600, cpus: 2 },
  });
}

/** Outputs of a build, by path. */
export const outputs = ({ outputs: entries }: Ran): Record<string, string> =>
  Object.fromEntries(
    entries.flatMap(({ header: { name, type }, text }) =>
      type === 'file' ? [[name.replace('./', ''), text]] : [],
    ),
  );
