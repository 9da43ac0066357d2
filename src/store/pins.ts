import { existsSync } from 'node:fs';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { CID } from 'multiformats/cid';
import { rawCode } from '../protocol/base/car.ts';
import { QuorateError } from '../protocol/base/errors.ts';
import { oneByOne } from '../protocol/base/one-by-one.ts';
import type { Blocks } from './blocks.ts';
import { linksOf, parseCid, readBlock } from './nodes.ts';
import { PinLog } from './pin-log.ts';
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
    for (const link of linksOf(cid, bytes)) {
      const key = link.toString();
      if (seen.has(key)) continue;
      seen.add(key);
      todo.push(link);
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

/** The pinned roots, each with its names (reasons) and the time of its last use. Changes and sweeps run one at a time. */
export class Pins {
  readonly #log: PinLog;
  readonly #blocks: Blocks;
  readonly #inTurn = oneByOne();

  /** @param file path of the log of pins */
  constructor(file: string, blocks: Blocks) {
    this.#log = new PinLog(file);
    this.#blocks = blocks;
  }

  /** `earlier`: a folder of an earlier version, with a file of names for each root. It is taken over and removed. @throws STORE_DISK_FULL */
  async open(earlier: string): Promise<void> {
    this.#log.open(this.#blocks.index.packs().size === 0);
    if (!existsSync(earlier)) return;
    for (const root of await readdir(earlier)) {
      if (root.endsWith('.new')) continue;
      const file = join(earlier, root);
      const used = Math.floor((await stat(file)).mtimeMs);
      const names = (await readFile(file, 'utf8')).split('\n').filter((name) => name !== '');
      this.#log.append(names.map((name) => ({ kind: 'pin', root, used, name })));
    }
    await this.#log.sync();
    await rm(earlier, { recursive: true });
  }

  async close(): Promise<void> {
    await this.#inTurn(async () => {});
    this.#log.close();
  }

  has(root: string): boolean {
    return this.#log.pins.has(root);
  }

  get mended(): readonly string[] {
    return this.#log.mended;
  }

  /** Pinned trees. */
  get size(): number {
    return this.#log.pins.size;
  }

  /** Records a use of the tree whose root this block is, if it is pinned. */
  asked(cid: CID): void {
    const root = cid.toString();
    const pin = this.#log.pins.get(root);
    const used = Date.now();
    if (pin === undefined || used - pin.used < usedMs) return;
    try {
      this.#log.append([{ kind: 'used', root, used }]);
    } catch {
      // A full disk: the tree counts as not used.
    }
  }

  /** Pins whole trees under `name`. Resolves when trees and pins are durable. @throws STORE_BLOCK_MISSING */
  pin(roots: readonly CID[], name: string): Promise<void> {
    return this.#inTurn(async () => {
      for (const root of roots)
        for await (const cid of eachBlock(this.#blocks, root)) this.#blocks.touch(cid);
      await this.#blocks.sync();
      const used = Date.now();
      const clean = name.replaceAll('\n', ' ');
      const fresh = roots.map(String).filter((root) => !this.#log.pins.get(root)?.names.has(clean));
      this.#log.append(fresh.map((root) => ({ kind: 'pin', root, used, name: clean })));
      await this.#log.sync();
    });
  }

  /** Rewrites packs with few live bytes. Resolves when that is durable. */
  compact(signal?: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      await this.#blocks.sync();
      await compact(this.#blocks, signal);
    });
  }

  /** Drops one name of a pin, or the whole pin. May be undone by a power failure. */
  unpin(root: CID, name?: string): Promise<void> {
    return this.#inTurn(async () => {
      const known = this.#log.pins.get(root.toString());
      const clean = name?.replaceAll('\n', ' ');
      if (known === undefined || (clean !== undefined && !known.names.has(clean))) return;
      this.#log.append([{ kind: 'unpin', root: root.toString(), name: clean }]);
    });
  }

  list(): Pin[] {
    const roots = [...this.#log.pins.keys()].sort();
    return roots.map((root) => ({ root, names: [...(this.#log.pins.get(root)?.names ?? [])] }));
  }

  /**
   * Drops pins, the least recently used tree first, until the rest is within the limit. Returns the dropped roots, whose blocks a sweep
   * removes.
   */
  trim({ bytesMax, counts, stays, signal }: TrimOptions): Promise<string[]> {
    return this.#inTurn(async () => {
      const known = this.list()
        .filter(counts)
        .map((pin) => ({
          root: pin.root,
          stays: stays(pin),
          used: this.#log.pins.get(pin.root)?.used ?? 0,
        }));
      known.sort((a, b) => Number(b.stays) - Number(a.stays) || b.used - a.used);
      const seen = new Set<string>();
      let bytes = 0;
      const dropped: string[] = [];
      for (const one of known) {
        // Drops the first tree over the limit and all that were used before it.
        if (dropped.length === 0) bytes += await this.#newBytes(one.root, seen, signal);
        if (bytes <= bytesMax || one.stays) continue;
        this.#log.append([{ kind: 'unpin', root: one.root }]);
        dropped.push(one.root);
      }
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
   * Removes the blocks of no pinned tree that were last used before `usedBefore()`, in ms since the epoch. A tree that is not whole stops
   * it: what its missing nodes lead to is not known. @throws PinsIncomplete
   */
  sweep(usedBefore: () => number, signal?: AbortSignal): Promise<{ blocks: number; bytes: number }> {
    return this.#inTurn(async () => {
      // A tree whose pin came back would not be whole any more. Also where nothing is removed: uses of trees make the log grow.
      await this.#log.sync();
      const kept = new Set<string>();
      const incomplete: string[] = [];
      const absent = new Set<string>();
      for (const { root } of this.list()) {
        const top = parseCid(root);
        // Before it is read: a block that is damaged is removed then.
        const isHere = this.#blocks.has(top);
        try {
          for await (const cid of eachBlock(this.#blocks, top, false, signal))
            kept.add(keyOf(cid.multihash.digest));
        } catch (error) {
          if (!(error instanceof QuorateError) || error.code !== 'STORE_BLOCK_MISSING') throw error;
          incomplete.push(root);
          if (!isHere) absent.add(root);
        }
      }
      if (incomplete.length > 0) throw new PinsIncomplete(incomplete, absent);
      return sweepBlocks(this.#blocks, (digest) => kept.has(keyOf(digest)), usedBefore, signal);
    });
  }
}

const keyOf = (digest: Uint8Array): string => Buffer.from(digest).toString('latin1');
