import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { noise } from '@chainsafe/libp2p-noise';
import { identify } from '@libp2p/identify';
import type { Libp2p } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
import { CID } from 'multiformats/cid';
import { pack } from 'tar-stream';
import { onTestFinished } from 'vitest';
import { openStore, type Store } from '../../src/store/index.ts';

export { codeOf } from '../support/codes.ts';

/** A folder that is gone when the test is over. */
export async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-store-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

export async function store(libp2p?: Libp2p): Promise<Store & { dir: string }> {
  return reopened(await folder(), libp2p);
}

/** A store in a folder that may hold one already. */
export async function reopened(dir: string, libp2p?: Libp2p): Promise<Store & { dir: string }> {
  const opened = await openStore({ dir, libp2p });
  onTestFinished(() => opened.close());
  return Object.assign(opened, { dir });
}

/** A bad sector: one bit of a block in the public area. */
export async function damage(dir: string, cid: string): Promise<void> {
  const wanted = CID.parse(cid).bytes;
  for (const name of (await readdir(join(dir, 'public'))).filter((file) => file.endsWith('.car'))) {
    const bytes = await readFile(join(dir, 'public', name));
    const at = bytes.indexOf(wanted);
    if (at < 0) continue;
    bytes[at + wanted.length] = (bytes[at + wanted.length] ?? 0) ^ 1;
    await writeFile(join(dir, 'public', name), bytes);
    return;
  }
  throw new Error(`${cid} is in no pack of ${dir}`);
}

export async function node(): Promise<Libp2p> {
  const libp2p = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 100 },
    services: { identify: identify() },
  });
  onTestFinished(() => libp2p.stop());
  return libp2p;
}

/** Two nodes, connected, each knowing the other's protocols. */
export async function pair(): Promise<[Libp2p, Libp2p]> {
  const [a, b] = await Promise.all([node(), node()]);
  await a.dial(b.getMultiaddrs());
  return [a, b];
}

export interface TarEntry {
  name: string;
  body?: string | Uint8Array;
  type?:
    | 'file'
    | 'directory'
    | 'symlink'
    | 'link'
    | 'fifo'
    | 'character-device'
    | 'block-device'
    | 'contiguous-file';
  mode?: number;
  linkname?: string;
  pax?: Record<string, string>;
}

/** The bytes of an archive with just these entries, in this order. */
export async function tarBytes(entries: TarEntry[]): Promise<Buffer> {
  const packer = pack();
  for (const { name, body, type, mode, linkname, pax } of entries) {
    const content = Buffer.from(body ?? '');
    packer.entry(
      {
        name,
        type: type ?? 'file',
        mode: mode ?? 0o644,
        size: content.length,
        ...(linkname !== undefined && { linkname }),
        ...(pax && { pax }),
      },
      content,
    );
  }
  packer.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of packer as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** As a stream of odd-sized pieces, so that no boundary helps. */
export function pieces(bytes: Uint8Array, size = 7_777): Readable {
  const all: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) all.push(bytes.subarray(at, at + size));
  return Readable.from(all, { objectMode: false });
}

export async function tar(entries: TarEntry[]): Promise<Readable> {
  return pieces(await tarBytes(entries));
}

export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of source) all.push(one);
  return all;
}

/** Bytes that are the same in every run and do not repeat. */
export function noiseBytes(length: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed >>> 0 || 1;
  for (let index = 0; index < words.length; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state >>> 0;
  }
  return new Uint8Array(words.buffer).subarray(0, length);
}
