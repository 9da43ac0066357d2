import { unixfs } from '@helia/unixfs';
import { encode, prepare } from '@ipld/dag-pb';
import type { Blockstore } from 'interface-blockstore';
import { UnixFS } from 'ipfs-unixfs';
import type { CID } from 'multiformats/cid';
import { pbCode } from '../protocol/base/car.ts';
import { assert, QuorateError } from '../protocol/base/errors.ts';
import { printable } from '../protocol/base/escape.ts';
import { toUtf8 } from '../protocol/base/text.ts';
import { cidOf, type StoredFile } from './file-import.ts';
import { LongWork } from './long-work.ts';
import { checkTarget, compareNames, foldName, splitPath } from './names.ts';
import { Symlinks } from './symlinks.ts';
import { below, tooManyEntries } from './tree-walk.ts';
import type { TreeRules } from './types.ts';

interface Folder {
  kind: 'dir';
  children: Map<string, Entry>;
  folded: Map<string, string>;
  /** Whether the folder is an entry itself, and not only the parent of one. */
  named: boolean;
}
/** A file's place in a tree. `stored` is set once its bytes are in the store. */
export interface FileSlot {
  kind: 'file';
  executable: boolean;
  stored: StoredFile | undefined;
}
type Entry = Folder | FileSlot | { kind: 'link'; target: string };
/** Shared by the folders of one tree while they are written. */
interface Building {
  blocks: Blockstore;
  files: BuiltTree['files'];
  slices: LongWork;
  signal: AbortSignal | undefined;
}
type Built = { cid: CID; dagSize: number };

export interface BuiltTree {
  root: CID;
  files: { path: string; sha256: string; size: number }[];
  entries: number;
}

/** Empty folders below one. */
function emptyIn({ children }: Folder): number {
  let count = 0;
  for (const entry of children.values())
    if (entry.kind === 'dir') count += entry.children.size === 0 ? 1 : emptyIn(entry);
  return count;
}

const folder = (named: boolean): Folder => ({ kind: 'dir', children: new Map(), folded: new Map(), named });

/**
 * Collects the entries of one tree in any order, refuses those that cannot exist on every file system, and builds the directories from
 * the leaves up. UnixFS's importer, given whole paths, decides on HAMT sharding before it knows the sizes of subdirectories.
 */
export class TreeBuilder {
  readonly #root: Folder = folder(true);
  readonly #entriesMax: number;
  readonly #rules: TreeRules;
  readonly #filesMax: number;
  #entries = 0;
  #files = 0;

  constructor(entriesMax: number, rules: TreeRules = 'portable', filesMax = Number.POSITIVE_INFINITY) {
    this.#entriesMax = entriesMax;
    this.#filesMax = filesMax;
    this.#rules = rules;
  }

  #count({ kind }: Entry): void {
    if (kind === 'file') this.#files += 1;
    this.#checkFiles(this.#files);
    this.#entries += 1;
    if (this.#entries > this.#entriesMax) throw tooManyEntries(this.#entriesMax);
  }

  #checkFiles(count: number): void {
    if (count <= this.#filesMax) return;
    const says = `the tree has over ${this.#filesMax} files and empty folders`;
    throw new QuorateError('STORE_TREE_TOO_MANY_FILES', says);
  }

  /** Finds or creates the parent folder of a path. */
  #parent(parts: string[], path: string): Folder {
    let at = this.#root;
    for (const part of parts) {
      const next = at.children.get(part);
      if (next !== undefined && next.kind !== 'dir') {
        const says = `the path ${printable(path)} is below an entry that is not a folder`;
        throw new QuorateError('STORE_PATH_CONFLICT', says);
      }
      const made = next ?? folder(false);
      if (next === undefined) this.#insert(at, part, made, path);
      at = made;
    }
    return at;
  }

  #insert(at: Folder, name: string, entry: Entry, path: string): void {
    const fold = this.#rules === 'image' ? name : foldName(name);
    const other = at.folded.get(fold);
    if (other === name)
      throw new QuorateError('STORE_PATH_DUPLICATE', `the path ${printable(path)} occurs twice`);
    if (other !== undefined) {
      const says = `${printable(path)} and ${printable(other)} differ only in case or accents' encoding`;
      const hint = 'Rename one: on some file systems they would be one file.';
      throw new QuorateError('STORE_PATH_CASE_CONFLICT', says, { hint });
    }
    this.#count(entry);
    at.folded.set(fold, name);
    at.children.set(name, entry);
  }

  /** Adds an entry. A folder that exists as the parent of an entry may be added once. */
  #add(path: string, entry: Entry): void {
    const parts = splitPath(path);
    const name = parts.pop();
    assert(name !== undefined, 'a split path has a last part');
    const parent = this.#parent(parts, path);
    const existing = parent.children.get(name);
    if (entry.kind === 'dir' && existing?.kind === 'dir' && !existing.named) existing.named = true;
    else this.#insert(parent, name, entry, path);
  }

  addFolder(path: string): void {
    this.#add(path, folder(true));
  }

  addLink(path: string, target: string): void {
    checkTarget(target, path);
    this.#add(path, { kind: 'link', target });
  }

  /** Adds a file before its bytes are read. */
  addFile(path: string, executable: boolean): FileSlot {
    const slot: FileSlot = { kind: 'file', executable, stored: undefined };
    this.#add(path, slot);
    return slot;
  }

  /** Adds a hard link: the same file under a second path. @throws STORE_LINK_REFUSED without such an earlier file */
  addHardLink(path: string, target: string): void {
    const entry = this.#find(splitPath(target));
    if (entry?.kind !== 'file') {
      const says = `the hard link ${printable(path)} does not lead to an earlier file of the archive`;
      throw new QuorateError('STORE_LINK_REFUSED', says);
    }
    this.#add(path, entry);
  }

  #find(parts: string[]): Entry | undefined {
    let at: Entry | undefined = this.#root;
    for (const part of parts) {
      if (at?.kind !== 'dir') return undefined;
      at = at.children.get(part);
    }
    return at;
  }

  /** Writes the directories and links. All files must be stored. @throws STORE_LINK_ESCAPES */
  async build(blocks: Blockstore, signal?: AbortSignal): Promise<BuiltTree> {
    if (this.#rules === 'portable') {
      const links = new Symlinks();
      this.#collectLinks(this.#root, '', links);
      links.check();
    }
    // No file below an empty folder is counted for it.
    if (Number.isFinite(this.#filesMax)) this.#checkFiles(this.#files + emptyIn(this.#root));
    const files: BuiltTree['files'] = [];
    const slices = new LongWork();
    const root = await this.#store(this.#root, '', { blocks, files, slices, signal });
    return { root: root.cid, files, entries: this.#entries };
  }

  #collectLinks(at: Folder, prefix: string, into: Symlinks): void {
    for (const [name, entry] of at.children) {
      if (entry.kind === 'dir') this.#collectLinks(entry, `${prefix}${name}/`, into);
      else if (entry.kind === 'link') into.add(prefix + name, entry.target);
    }
  }

  async #store(entry: Entry, path: string, building: Building): Promise<Built> {
    const { blocks, files, slices, signal } = building;
    if (entry.kind === 'link') return storeLink(blocks, entry.target);
    if (entry.kind === 'file') {
      assert(entry.stored !== undefined, `the bytes of ${path} are stored`);
      files.push({ path, sha256: entry.stored.sha256, size: entry.stored.size });
      return entry.stored;
    }
    signal?.throwIfAborted();
    const children: (Built & { name: string })[] = [];
    const names = [...entry.children.keys()].sort(compareNames);
    for (const name of names) {
      const child = entry.children.get(name);
      assert(child !== undefined, 'a key has a value');
      if (slices.isOver) await slices.next();
      children.push({ name, ...(await this.#store(child, below(path, name), building)) });
    }
    return storeFolder(blocks, children, slices);
  }
}

async function storeLink(blocks: Blockstore, target: string): Promise<Built> {
  const data = new UnixFS({ type: 'symlink', data: toUtf8(target) }).marshal();
  const bytes = encode(prepare({ Data: data }));
  const cid = cidOf(pbCode, bytes);
  await blocks.put(cid, bytes);
  return { cid, dagSize: bytes.length };
}

/** The profile shards a folder whose block would be over this size. */
const folderBytesMax = 256 * 1024;
/** Bytes of a link besides its name, at most. */
const linkBytesMax = 64;

/** Writes one directory of stored entries, in the order of their names: a node, or a HAMT when that node would be too large. */
async function storeFolder(
  blocks: Blockstore,
  children: (Built & { name: string })[],
  slices: LongWork,
): Promise<Built> {
  const bytesMax = children.reduce((sum, { name }) => sum + linkBytesMax + 3 * name.length, linkBytesMax);
  if (bytesMax > folderBytesMax) return storeLargeFolder(blocks, children, slices);
  const links = children.map(({ name, cid, dagSize }) => ({ Name: name, Tsize: dagSize, Hash: cid }));
  const bytes = encode(prepare({ Data: folderData, Links: links }));
  const cid = cidOf(pbCode, bytes);
  await blocks.put(cid, bytes);
  return { cid, dagSize: children.reduce((sum, { dagSize }) => sum + dagSize, bytes.length) };
}

const folderData = new UnixFS({ type: 'directory' }).marshal();

/** By the library, which knows the exact size and how to shard. */
async function storeLargeFolder(
  blocks: Blockstore,
  children: (Built & { name: string })[],
  slices: LongWork,
): Promise<Built> {
  // The library writes the blocks of the folder one after the other, and reads none.
  const blockstore = {
    async put(...given: Parameters<Blockstore['put']>) {
      if (slices.isOver) await slices.next();
      return blocks.put(...given);
    },
  } as Blockstore;
  const results = unixfs({ blockstore }).addAll([], {
    profile: 'unixfs-v1-2025',
    wrapWithDirectory: true,
    // The entries are stored already: the importer only adds links to them.
    dagBuilder: async function* () {
      for (const { name, cid, dagSize } of children) {
        if (slices.isOver) await slices.next();
        yield async () => ({ path: name, cid, size: BigInt(dagSize), unixfs: undefined });
      }
    },
  });
  let last: Built | undefined;
  for await (const { cid, size } of results) last = { cid, dagSize: Number(size) };
  assert(last !== undefined, 'the importer returns the directory last');
  return last;
}
