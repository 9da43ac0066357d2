import { Readable } from 'node:stream';
import type { CID } from 'multiformats/cid';
import { type Header, pack } from 'tar-stream';
import { limits } from '../protocol/base/limits.ts';
import { ByteBudget } from './file-import.ts';
import { LongWork } from './long-work.ts';
import { type BlockReader, parseCid } from './nodes.ts';
import { Symlinks } from './symlinks.ts';
import { drained } from './tar-read.ts';
import { fileBytes, type WalkedEntry, walkTree } from './tree-walk.ts';
import type { Tree, TreeEntry, TreeRules } from './types.ts';

/** All entries of a tree, checked. @throws STORE_LINK_ESCAPES once all links are known, STORE_TREE_TOO_LARGE and the codes of `walkTree` */
export async function checkedEntries(
  blocks: BlockReader,
  root: CID,
  { signal, rules = 'portable' }: { signal?: AbortSignal | undefined; rules?: TreeRules | undefined } = {},
): Promise<WalkedEntry[]> {
  const entries: WalkedEntry[] = [];
  const links = new Symlinks();
  const budget = new ByteBudget(limits.treeBytesMax);
  const slices = new LongWork(signal);
  for await (const found of walkTree(blocks, root, { signal, rules })) {
    entries.push(found);
    budget.take(found.size);
    if (found.target !== undefined) links.add(found.path, found.target);
    if (slices.isOver) await slices.next();
  }
  if (rules === 'portable') await links.checkInSlices(slices);
  return entries;
}

interface TarOptions {
  signal?: AbortSignal | undefined;
  rules?: TreeRules | undefined;
  /** Entries in reverse order: those of a folder before the folder. */
  reversed?: boolean | undefined;
}

/** A tree as a tar archive whose bytes depend on the tree only: names in byte order, owner and time 0, fixed modes. */
export function writeTar(blocks: BlockReader, root: CID, options: TarOptions = {}): Readable {
  const all = async (): Promise<WalkedEntry[]> => {
    const entries = await checkedEntries(blocks, root, options);
    return options.reversed ? entries.reverse() : entries;
  };
  return Readable.from(archive(blocks, all, options.signal), { objectMode: false });
}

/** Some files of a tree in the same form, without the folders that they are in. */
export function writeFilesTar({ blocks }: Tree, files: readonly TreeEntry[], signal?: AbortSignal): Readable {
  const all = async () => files.map((file): WalkedEntry => ({ ...file, cid: parseCid(file.cid) }));
  return Readable.from(archive(blocks, all, signal), { objectMode: false });
}

/** Bytes of an archive that are made ahead of who takes them. */
const aheadBytesMax = 64 * 1024;

async function* archive(
  blocks: BlockReader,
  all: () => Promise<WalkedEntry[]>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const entries = await all();
  const packer = pack();
  const ahead = new Ahead(packer);
  const filled = fill(packer, ahead, entries, blocks, signal);
  filled.catch((error: unknown) => packer.destroy(error instanceof Error ? error : new Error(String(error))));
  try {
    for await (const chunk of packer as AsyncIterable<Uint8Array>) {
      yield chunk;
      ahead.taken(chunk.length);
    }
    await filled;
  } finally {
    ahead.end();
    packer.destroy();
  }
}

/** Holds back who fills an archive: of entries without bytes the packer takes any number at once. */
class Ahead {
  #bytes = 0;
  #progress = Promise.withResolvers<void>();

  constructor(packer: ReturnType<typeof pack>) {
    const push = packer.push.bind(packer);
    packer.push = (chunk: Uint8Array | null) => {
      this.#bytes += chunk?.length ?? 0;
      return push(chunk);
    };
  }

  taken(bytes: number): void {
    this.#bytes -= bytes;
    this.#progress.resolve();
    this.#progress = Promise.withResolvers();
  }

  /** The reader has ended: no more bytes are taken. */
  end(): void {
    this.#bytes = 0;
    this.#progress.resolve();
  }

  get isFull(): boolean {
    return this.#bytes > aheadBytesMax;
  }

  /** Resolves when bytes were taken. */
  some(): Promise<void> {
    return this.#progress.promise;
  }
}

async function fill(
  packer: ReturnType<typeof pack>,
  ahead: Ahead,
  entries: WalkedEntry[],
  blocks: BlockReader,
  signal?: AbortSignal,
): Promise<void> {
  const slices = new LongWork(signal);
  for (const found of entries) {
    signal?.throwIfAborted();
    if (slices.isOver) await slices.next();
    while (ahead.isFull) await ahead.some();
    if (packer.destroyed) return;
    const header: Partial<Header> & Pick<Header, 'name'> = {
      name: found.path,
      mode: found.kind === 'link' ? 0o777 : found.kind === 'dir' || found.executable ? 0o755 : 0o644,
      mtime: new Date(0),
      type: found.kind === 'dir' ? 'directory' : found.kind === 'link' ? 'symlink' : 'file',
      size: found.size,
      linkname: found.target,
      uid: 0,
      gid: 0,
      uname: '',
      gname: '',
    };
    await new Promise<void>((resolve, reject) => {
      const sink = packer.entry(header, (error) => (error ? reject(error) : resolve()));
      // An error of the archive is emitted on each open sink too, which needs a listener.
      sink.on('error', reject);
      if (found.kind !== 'file') sink.end(undefined);
      // Destroying the sink would replace this error by another; the archive is destroyed with it instead.
      else pour(sink, fileBytes(blocks, found.cid, signal)).catch(reject);
    });
  }
  packer.finalize();
}

async function pour(
  sink: ReturnType<ReturnType<typeof pack>['entry']>,
  content: AsyncIterable<Uint8Array>,
): Promise<void> {
  for await (const chunk of content) {
    if (sink.write(chunk)) continue;
    await drained(sink);
    if (sink.destroyed) return;
  }
  sink.end(undefined);
}
