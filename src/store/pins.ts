import { mkdir, open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { CID } from 'multiformats/cid';
import { rawCode } from '../core/car.ts';
import { QuorateError } from '../core/errors.ts';
import type { Blocks } from './blocks.ts';
import { syncFolder } from './disk.ts';
import { storeLimits } from './limits.ts';
import { decodeNode, parseCid, readBlock } from './nodes.ts';
import { PinsIncomplete } from './pins-incomplete.ts';
import { compact, sweepBlocks } from './sweep.ts';

/** Each distinct block of a DAG once, the root first. @throws STORE_BLOCK_MISSING unless `skipMissing` */
export async function* eachBlock(
  blocks: Blocks,
  root: CID,
  skipMissing = false,
  signal?: AbortSignal,
): AsyncGenerator<CID> {
  const seen = new Set([root.toString()]);
  const todo = [root];
  for (let cid = todo.pop(); cid !== undefined; cid = todo.pop()) {
    signal?.throwIfAborted();
    if (cid.code === rawCode) {
      if (blocks.has(cid)) yield cid;
      else if (!skipMissing) await readBlock(blocks, cid);
      continue;
    }
    let bytes: Uint8Array;
    try {
      bytes = await readBlock(blocks, cid);
    } catch (error) {
      if (skipMissing && error instanceof QuorateError && error.code === 'STORE_BLOCK_MISSING') continue;
      throw error;
    }
    yield cid;
    const node = decodeNode(cid, bytes);
    if (node.kind === 'raw') continue;
    for (const link of node.links) {
      const key = link.cid.toString();
      if (seen.has(key)) continue;
      seen.add(key);
      todo.push(link.cid);
    }
  }
}

export interface Pin {
  root: string;
  /** Reasons to keep the tree. */
  names: string[];
}

export interface TrimOptions {
  /** Limit in bytes for all distinct blocks of the trees that count. */
  bytesMax: number;
  /** Which pins count and may be dropped. */
  counts(pin: Pin): boolean;
  /** Roots that count but are not dropped. */
  stays(pin: Pin): boolean;
  signal?: AbortSignal | undefined;
}

/** Resolution of the recorded time of use of a tree. */
const usedMs = 60_000;

/**
 * The pinned roots: one file per root, which holds the names (reasons) and whose mtime is the time of the last use. Changes
 * and sweeps run one at a time.
 */
export class Pins {
  readonly #dir: string;
  readonly #blocks: Blocks;
  /** Each pinned root with the time of use recorded last, 0 for one recorded by an earlier process. */
  readonly #used = new Map<string, number>();
  /** Pinned roots by a name that their file is known to hold: to pin one again costs nothing. */
  readonly #named = new Map<string, Set<string>>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(dir: string, blocks: Blocks) {
    this.#dir = dir;
    this.#blocks = blocks;
  }

  async open(): Promise<void> {
    await mkdir(this.#dir, { recursive: true });
    for (const root of await this.#roots()) this.#used.set(root, 0);
  }

  has(root: string): boolean {
    return this.#used.has(root);
  }

  /** Pinned trees. */
  get size(): number {
    return this.#used.size;
  }

  /** Records a use of the tree whose root this block is, if it is pinned. */
  asked(cid: CID): void {
    const root = cid.toString();
    const last = this.#used.get(root);
    const now = Date.now();
    if (last === undefined || now - last < usedMs) return;
    this.#used.set(root, now);
    // The pin may be dropped at the same time; then its file is gone.
    utimes(join(this.#dir, root), now / 1000, now / 1000).catch(() => {});
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }

  async #names(root: string): Promise<string[]> {
    const text = await readFile(join(this.#dir, root), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    return text.split('\n').filter((line) => line !== '');
  }

  async #write(root: string, names: string[]): Promise<void> {
    const file = join(this.#dir, root);
    if (names.length === 0) {
      this.#used.delete(root);
      this.#keepNames(root, names);
      await rm(file, { force: true });
      return;
    }
    const handle = await open(`${file}.new`, 'w');
    try {
      await handle.writeFile(`${names.join('\n')}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(`${file}.new`, file);
    this.#used.set(root, Date.now());
    this.#keepNames(root, names);
  }

  /** Forgets that the file of a root holds other names than these. */
  #keepNames(root: string, names: readonly string[]): void {
    for (const [name, roots] of this.#named)
      if (!names.includes(name) && roots.delete(root) && roots.size === 0) this.#named.delete(name);
  }

  /** Adds a name to the file of a root; false where it was there. */
  async #add(root: string, name: string): Promise<boolean> {
    const known = this.#named.get(name) ?? new Set();
    if (known.has(root)) return false;
    const names = await this.#names(root);
    const isNew = !names.includes(name);
    if (isNew) await this.#write(root, [...names, name]);
    this.#named.set(name, known.add(root));
    return isNew;
  }

  /** Pins whole trees under `name`. Resolves when trees and pins are durable. @throws STORE_BLOCK_MISSING */
  pin(roots: readonly CID[], name: string): Promise<void> {
    return this.#inTurn(async () => {
      for (const root of roots)
        for await (const cid of eachBlock(this.#blocks, root)) this.#blocks.touch(cid);
      await this.#blocks.sync();
      const clean = name.replaceAll('\n', ' ');
      let written = false;
      for (const root of roots) if (await this.#add(root.toString(), clean)) written = true;
      if (written) await syncFolder(this.#dir);
    });
  }

  /** Rewrites packs with few live bytes. Resolves when that is durable. */
  compact(signal?: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      await this.#blocks.sync();
      await compact(this.#blocks, signal);
    });
  }

  /** Drops one name of a pin, or the whole pin. */
  unpin(root: CID, name?: string): Promise<void> {
    return this.#inTurn(async () => {
      const names = name === undefined ? [] : await this.#names(root.toString());
      await this.#write(
        root.toString(),
        names.filter((other) => other !== name?.replaceAll('\n', ' ')),
      );
      await syncFolder(this.#dir);
    });
  }

  async list(): Promise<Pin[]> {
    return fewAtOnce(await this.#roots(), async (root) => ({ root, names: await this.#names(root) }));
  }

  async #roots(): Promise<string[]> {
    return (await readdir(this.#dir)).filter((file) => !file.endsWith('.new')).sort();
  }

  /**
   * Drops pins, the least recently used tree first, until the rest is within the limit. Returns the dropped roots. A sweep
   * removes their blocks.
   */
  trim({ bytesMax, counts, stays, signal }: TrimOptions): Promise<string[]> {
    return this.#inTurn(async () => {
      const pins = (await this.list()).filter(counts);
      const known = await fewAtOnce(pins, async (pin) => ({
        root: pin.root,
        stays: stays(pin),
        used: (await stat(join(this.#dir, pin.root))).mtimeMs,
      }));
      known.sort((a, b) => Number(b.stays) - Number(a.stays) || b.used - a.used);
      const seen = new Set<string>();
      let bytes = 0;
      const dropped: string[] = [];
      for (const one of known) {
        // Drops the first tree over the limit and all that were used before it.
        if (dropped.length === 0) bytes += await this.#newBytes(one.root, seen, signal);
        if (bytes <= bytesMax || one.stays) continue;
        await this.#write(one.root, []);
        dropped.push(one.root);
      }
      if (dropped.length > 0) await syncFolder(this.#dir);
      return dropped;
    });
  }

  /** Bytes of a tree's blocks that were not seen before. */
  async #newBytes(root: string, seen: Set<string>, signal?: AbortSignal): Promise<number> {
    let bytes = 0;
    for await (const cid of eachBlock(this.#blocks, parseCid(root), true, signal)) {
      const key = keyOf(cid.multihash.digest);
      if (seen.has(key)) continue;
      seen.add(key);
      bytes += this.#blocks.size(cid) ?? 0;
    }
    return bytes;
  }

  /**
   * Removes the blocks of no pinned tree that were last used before `usedBefore()`, in milliseconds since the epoch. A tree
   * that is not whole stops it: what its missing nodes lead to is not known, and must not be removed.
   * @throws PinsIncomplete
   */
  sweep(usedBefore: () => number, signal?: AbortSignal): Promise<{ blocks: number; bytes: number }> {
    return this.#inTurn(async () => {
      const kept = new Set<string>();
      const incomplete: string[] = [];
      for (const root of await this.#roots()) {
        try {
          for await (const cid of eachBlock(this.#blocks, parseCid(root), false, signal))
            kept.add(keyOf(cid.multihash.digest));
        } catch (error) {
          if (!(error instanceof QuorateError) || error.code !== 'STORE_BLOCK_MISSING') throw error;
          incomplete.push(root);
        }
      }
      if (incomplete.length > 0) throw new PinsIncomplete(incomplete);
      return sweepBlocks(this.#blocks, (digest) => kept.has(keyOf(digest)), usedBefore, signal);
    });
  }
}

/** Works through a list with as many files open at once as the store allows itself, in order. */
async function fewAtOnce<T, R>(all: readonly T[], work: (one: T) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  for (let at = 0; at < all.length; at += storeLimits.blockTasksMax)
    done.push(...(await Promise.all(all.slice(at, at + storeLimits.blockTasksMax).map(work))));
  return done;
}

const keyOf = (digest: Uint8Array): string => Buffer.from(digest).toString('latin1');
