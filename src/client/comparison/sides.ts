import { createReadStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import type { Mesh } from '../../mesh/index.ts';
import { openIdleStore } from '../../node/artifacts/idle-store.ts';
import { makeScratch } from '../../node/scratch.ts';
import { assert, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import type { Level } from '../../protocol/trust/index.ts';
import { openStore, type Store, type Tree } from '../../store/index.ts';
import { entryAt } from '../../store/tree-path.ts';
import type { TrialProject } from '../trial/inputs.ts';

const name = 'file';

/** Copies one file of this host into a store. Returns its CID. @throws {QuorateError} COMPARE_FILE_UNREADABLE, `STORE_…`, the signal's reason */
export async function importFile(store: Store, path: string, signal: AbortSignal): Promise<string> {
  const packer = pack();
  const filled = fill(packer, path, signal);
  filled.catch((error: Error) => packer.destroy(error));
  try {
    // A stream of streamx is one of Node in all that is used of it.
    const tar = packer as unknown as Parameters<Store['importTar']>[0];
    const { root } = await store.importTar(tar, { into: store.public, signal });
    await filled;
    return (await entryAt(store.tree(root), name))?.cid ?? root;
  } catch (error) {
    signal.throwIfAborted();
    const cause: unknown = await filled.catch((failure: unknown) => failure);
    // Where the import ended first, that closed the archive.
    const isOwn = cause instanceof Error && ('syscall' in cause || cause.message === 'Size mismatch');
    if (!isOwn) throw error;
    throw new QuorateError('COMPARE_FILE_UNREADABLE', `${path} cannot be read: ${messageOf(cause)}`, {
      cause,
    });
  } finally {
    packer.destroy();
  }
}

async function fill(packer: ReturnType<typeof pack>, path: string, signal: AbortSignal): Promise<void> {
  const { size } = await stat(path);
  const entry = packer.entry({ name, size });
  // One byte more than there were: a file that grows, or states no size, is noticed.
  await pipeline(createReadStream(path, { end: size }), entry, { signal });
  packer.finalize();
}

/** One side of a comparison as it is asked for: an artifact, or a folder or file of this host by its absolute path. */
export type SideAsked = { kind: 'artifact'; cid: string } | { kind: 'folder' | 'file'; path: string };

export interface Side {
  tree: Tree;
  cid: string;
  from: 'store' | 'mesh' | 'folder' | 'file';
  /** Level of the evidence that peers gave with it; `none` unless `from` is `mesh`. */
  level: Level;
}

interface SidesOptions {
  asked: readonly [a: SideAsked, b: SideAsked];
  /** Folders of local stores that are searched for artifacts first. */
  stores: readonly string[];
  /** Called if an artifact is in none of them. */
  project(): Promise<TrialProject | undefined>;
  /** Reports what takes time: reading a folder, fetching an artifact. */
  onStep(says: string): void;
  signal: AbortSignal;
}

/**
 * Provides both sides to `use`: an artifact from a local store, else from peers; a folder or file copied. Copies are removed afterwards.
 * @throws {QuorateError} ARTIFACT_NOT_FOUND, COMPARE_FILE_UNREADABLE, `TRANSFER_…`
 */
export async function withSides<T>(
  { asked, stores, project, onStep, signal }: SidesOptions,
  use: (a: Side, b: Side) => Promise<T>,
): Promise<T> {
  const closers: Closers = [];
  try {
    const idle = await openIdleStores(stores, closers);
    const [a, b] = asked;
    const holders = [await holderOf(a, idle, signal), await holderOf(b, idle, signal)] as const;
    const lacking = asked.flatMap((one, at) => (one.kind === 'artifact' && !holders[at] ? [one.cid] : []));
    const network = lacking[0] === undefined ? undefined : await openNetwork(lacking[0], project, closers);
    const copies = holders.every(Boolean) ? undefined : await openCopies(network?.mesh, closers);

    const side = async (one: SideAsked, holder: Store | undefined): Promise<Side> => {
      if (one.kind === 'artifact' && holder !== undefined)
        return { tree: holder.tree(one.cid), cid: one.cid, from: 'store', level: 'none' };
      assert(copies !== undefined, 'there is a store for what no store holds');
      if (one.kind !== 'artifact') {
        onStep(`reading ${one.path}`);
        const cid =
          one.kind === 'file'
            ? await importFile(copies, one.path, signal)
            : (await copies.importDirectory(one.path, { into: copies.public, signal })).root;
        return { tree: copies.tree(cid), cid, from: one.kind, level: 'none' };
      }
      assert(network !== undefined, 'there is a network for what no store holds');
      onStep(`fetching ${one.cid}`);
      const level = await network.fetch(copies, one.cid, signal);
      return { tree: copies.tree(one.cid), cid: one.cid, from: 'mesh', level };
    };
    return await use(await side(a, holders[0]), await side(b, holders[1]));
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

/** Joins the mesh for an artifact that no local store holds. @throws {QuorateError} ARTIFACT_NOT_FOUND where no project is known */
async function openNetwork(cid: string, projectOf: SidesOptions['project'], closers: Closers) {
  // Loaded here: two local artifacts are compared in less time than this takes.
  const { fromMesh, inNoStore, openInputMesh } = await import('../trial/inputs.ts');
  const project = await projectOf();
  if (project === undefined) throw inNoStore(cid);
  const mesh = await openInputMesh(project);
  closers.push(() => mesh.close());
  const fetch = (into: Store, wanted: string, signal: AbortSignal) =>
    fromMesh(mesh, into, wanted, project, signal);
  return { mesh, fetch };
}

async function openCopies(mesh: Mesh | undefined, closers: Closers): Promise<Store> {
  const dir = await makeScratch('diff');
  closers.push(() => rm(dir, { recursive: true, force: true }));
  const store = await openStore({ dir: join(dir, 'store'), libp2p: mesh?.libp2p });
  closers.push(() => store.close());
  return store;
}

async function openIdleStores(folders: readonly string[], closers: Closers): Promise<Store[]> {
  const opened: Store[] = [];
  for (const dir of folders) {
    const store = await openIdleStore(dir);
    if (store === undefined) continue;
    closers.push(() => store.close());
    opened.push(store);
  }
  return opened;
}

/** Actions for the end, the last one first. */
type Closers = (() => Promise<unknown>)[];

/** The store that holds all of an artifact. */
async function holderOf(
  asked: SideAsked,
  stores: readonly Store[],
  signal: AbortSignal,
): Promise<Store | undefined> {
  if (asked.kind !== 'artifact') return undefined;
  for (const store of stores)
    if (store.pinned(asked.cid) || (await store.has(asked.cid, signal))) return store;
  return undefined;
}
