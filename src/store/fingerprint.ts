import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { assert, QuorateError } from '../protocol/base/errors.ts';
import { printable } from '../protocol/base/escape.ts';
import { limits } from '../protocol/base/limits.ts';
import { readDirectory } from './directory-read.ts';
import { LastBlockOnly } from './file-import.ts';

/** Identity of a path on disk: the CID of a folder's tree, or the sha256 of a file in hexadecimal. */
export type Fingerprint =
  | { kind: 'tree'; cid: string; rootBlock: Uint8Array; files: number; bytes: number }
  | { kind: 'file'; sha256: string; bytes: number };

/**
 * The fingerprint of a folder, with a top-level `.git`, or of a file. @throws STORE_FILE_UNREADABLE, and as `readDirectory` for entries
 * that no tree can hold
 */
export async function fingerprintOf(path: string, signal?: AbortSignal): Promise<Fingerprint> {
  // A link given as the path itself is followed.
  const what = await stat(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  if (what.isDirectory()) return tree(path, signal);
  if (what.isFile()) return file(path, signal);
  throw new QuorateError('STORE_ENTRY_REFUSED', `${printable(path)} is a device, a socket or a pipe`);
}

async function tree(path: string, signal: AbortSignal | undefined): Promise<Fingerprint> {
  const blocks = new LastBlockOnly();
  const { root, files, bytes } = await readDirectory(`${path}/`, blocks, {
    maxBytes: limits.treeBytesMax,
    maxEntries: limits.treeEntriesMax,
    git: true,
    signal,
  });
  const { last } = blocks;
  assert(last?.cid.equals(root) === true, 'the root block is written last');
  return { kind: 'tree', cid: root.toString(), rootBlock: last.bytes, files: files.length, bytes };
}

async function file(path: string, signal: AbortSignal | undefined): Promise<Fingerprint> {
  const hash = createHash('sha256');
  let bytes = 0;
  const handle = await open(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  try {
    for await (const chunk of handle.createReadStream({ signal, autoClose: false })) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  } finally {
    await handle.close();
  }
  return { kind: 'file', sha256: hash.digest('hex'), bytes };
}

const unreadable = (path: string, cause: unknown): QuorateError =>
  new QuorateError('STORE_FILE_UNREADABLE', `${printable(path)} cannot be opened`, {
    hint: 'Check the path and that the file is readable.',
    cause,
  });
