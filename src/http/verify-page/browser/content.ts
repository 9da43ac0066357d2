import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { CID } from 'multiformats/cid';
import { oneRootHeaderBytes, rootOfCar } from '../../../protocol/base/car.ts';
import { assert, QuorateError } from '../../../protocol/base/errors.ts';
import { limits } from '../../../protocol/base/limits.ts';
import {
  ByteBudget,
  chunkBytes,
  LastBlockOnly,
  type StoredFile,
  storeFile,
} from '../../../store/file-import.ts';
import { checkCid, linksOf } from '../../../store/nodes.ts';
import { TreeBuilder } from '../../../store/tree-builder.ts';
import { CarDecoder } from '../../../transfer/decode.ts';

export interface GivenFile {
  /** Below the folder that was given, separated by "/"; the name of a single file. */
  path: string;
  /** In bytes. */
  size: number;
  read(): AsyncIterable<Uint8Array>;
}

export type Given =
  | { kind: 'file'; sha256: string }
  /** An archive of blocks, complete and each with its hash. */
  | { kind: 'archive'; cid: string }
  /** A browser tells no executable bits: `trees` are without any, and guessed by content. Links are followed, empty folders missing. */
  | { kind: 'folder'; trees: string[]; files: { path: string; sha256: string }[] };

/** Tells of bytes that were read, for a progress bar. */
type OnRead = (bytes: number) => void;

/** @throws those of `CarDecoder`, `TreeBuilder` and `ByteBudget`. */
export async function contentOf(
  files: readonly GivenFile[],
  isFolder: boolean,
  read: OnRead,
  signal: AbortSignal,
): Promise<Given> {
  const [first] = files;
  if (isFolder || first === undefined || files.length > 1) return folderOf(files, read, signal);
  const root = rootOfCar(await firstBytes(first, oneRootHeaderBytes));
  if (root !== undefined)
    return { kind: 'archive', cid: await archiveOf(first, CID.decode(root), read, signal) };
  const state = sha256.create();
  for await (const chunk of watched(first, read, signal)) state.update(chunk);
  return { kind: 'file', sha256: bytesToHex(state.digest()) };
}

async function* watched(file: GivenFile, read: OnRead, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for await (const chunk of file.read()) {
    signal.throwIfAborted();
    read(chunk.length);
    yield chunk;
  }
}

async function firstBytes(file: GivenFile, count: number): Promise<Uint8Array> {
  const found = new Uint8Array(count);
  let filled = 0;
  for await (const chunk of file.read()) {
    found.set(chunk.subarray(0, count - filled), filled);
    filled += Math.min(chunk.length, count - filled);
    if (filled === count) break;
  }
  return found.subarray(0, filled);
}

/** The CID of the tree in an archive of which every block is there and has its hash. */
async function archiveOf(file: GivenFile, root: CID, read: OnRead, signal: AbortSignal): Promise<string> {
  const decoder = new CarDecoder([{ cid: checkCid(root), depth: 0 }], linksOf);
  for await (const chunk of watched(file, read, signal)) {
    decoder.push(chunk);
    while (decoder.next() !== undefined) signal.throwIfAborted();
  }
  decoder.end();
  const missing = decoder.rest().length;
  if (missing > 0)
    throw new QuorateError('CAR_MALFORMED', `the archive of blocks lacks at least ${missing} of its blocks`, {
      hint: 'Download it again.',
    });
  return root.toString();
}

async function folderOf(files: readonly GivenFile[], read: OnRead, signal: AbortSignal): Promise<Given> {
  const plain = new TreeBuilder(limits.treeEntriesMax);
  const guessed = new TreeBuilder(limits.treeEntriesMax);
  const budget = new ByteBudget(limits.treeBytesMax);
  const blocks = new LastBlockOnly();
  const hashes: { path: string; sha256: string }[] = [];
  let programs = 0;
  for (const file of files) {
    budget.take(file.size);
    const isProgram = beginsAsProgram(await firstBytes(file, 4));
    const slots = [plain.addFile(file.path, false), guessed.addFile(file.path, isProgram)] as const;
    const stored = await storeFile(blocks, await contentToStore(file, read, signal), false);
    [slots[0].stored, slots[1].stored] = [stored, stored];
    if (isProgram) {
      programs += 1;
      slots[1].stored = await asExecutable(blocks, file, signal);
    }
    hashes.push({ path: file.path, sha256: stored.sha256 });
  }
  const trees = [(await plain.build(blocks, signal)).root.toString()];
  if (programs > 0) trees.push((await guessed.build(blocks, signal)).root.toString());
  return { kind: 'folder', trees, files: hashes };
}

async function asExecutable(
  blocks: LastBlockOnly,
  file: GivenFile,
  signal: AbortSignal,
): Promise<StoredFile> {
  return storeFile(blocks, await contentToStore(file, () => {}, signal), true);
}

/** A file up to one chunk as a whole, as the import of a folder takes it. */
async function contentToStore(
  file: GivenFile,
  read: OnRead,
  signal: AbortSignal,
): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
  if (file.size > chunkBytes) return watched(file, read, signal);
  const whole = new Uint8Array(file.size);
  let filled = 0;
  for await (const chunk of watched(file, read, signal)) {
    assert(filled + chunk.length <= whole.length, 'a file given to a page does not grow');
    whole.set(chunk, filled);
    filled += chunk.length;
  }
  return whole.subarray(0, filled);
}

/** ELF, and scripts that name their interpreter. */
function beginsAsProgram([a, b, c, d]: Uint8Array): boolean {
  return (a === 0x23 && b === 0x21) || (a === 0x7f && b === 0x45 && c === 0x4c && d === 0x46);
}
