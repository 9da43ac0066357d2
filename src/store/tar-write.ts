import { Readable } from 'node:stream';
import type { CID } from 'multiformats/cid';
import { type Header, pack } from 'tar-stream';
import { limits } from '../protocol/base/limits.ts';
import { type Put, tarOf } from '../protocol/base/tar-pack.ts';
import { ByteBudget } from './file-import.ts';
import { LongWork } from './long-work.ts';
import { type BlockReader, parseCid } from './nodes.ts';
import { Symlinks } from './symlinks.ts';
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
  return Readable.from(
    tarOf(pack(), (put) => fill(put, blocks, all, options.signal)),
    { objectMode: false },
  );
}

/** Some files of a tree in the same form, without the folders that they are in. */
export function writeFilesTar({ blocks }: Tree, files: readonly TreeEntry[], signal?: AbortSignal): Readable {
  const all = async () => files.map((file): WalkedEntry => ({ ...file, cid: parseCid(file.cid) }));
  return Readable.from(
    tarOf(pack(), (put) => fill(put, blocks, all, signal)),
    { objectMode: false },
  );
}

async function fill(
  put: Put<Partial<Header> & Pick<Header, 'name'>>,
  blocks: BlockReader,
  all: () => Promise<WalkedEntry[]>,
  signal?: AbortSignal,
): Promise<void> {
  const entries = await all();
  const slices = new LongWork(signal);
  for (const found of entries) {
    signal?.throwIfAborted();
    if (slices.isOver) await slices.next();
    const { kind, path, size, target } = found;
    const header = {
      name: path,
      mode: kind === 'link' ? 0o777 : kind === 'dir' || found.executable ? 0o755 : 0o644,
      mtime: new Date(0),
      type: kind === 'dir' ? 'directory' : kind === 'link' ? 'symlink' : 'file',
      size,
      linkname: target,
      uid: 0,
      gid: 0,
      uname: '',
      gname: '',
    } as const;
    await put(header, kind === 'file' ? fileBytes(blocks, found.cid, signal) : []);
  }
}
