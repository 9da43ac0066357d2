import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { CID } from 'multiformats/cid';
import { QuorateError } from '../core/errors.ts';
import type { Blocks } from './blocks.ts';
import { syncFolder } from './disk.ts';
import { decodeNode, parseCid, rawCode, readBlock } from './nodes.ts';
import { sweepBlocks } from './sweep.ts';

/** Every distinct block of a DAG once, the root first. @throws STORE_BLOCK_MISSING unless `skipMissing` */
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

/** Which roots are kept and why: one small file a root, holding its names. Changes and sweeps wait for each other. */
export class Pins {
  readonly #dir: string;
  readonly #blocks: Blocks;
  #last: Promise<unknown> = Promise.resolve();

  constructor(dir: string, blocks: Blocks) {
    this.#dir = dir;
    this.#blocks = blocks;
  }

  async open(): Promise<void> {
    await mkdir(this.#dir, { recursive: true });
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
  }

  /** Keeps whole trees, for the reason `name`; once it returns, trees and pins are on the disk. @throws STORE_BLOCK_MISSING when a block is not here */
  pin(roots: readonly CID[], name: string): Promise<void> {
    return this.#inTurn(async () => {
      for (const root of roots)
        for await (const cid of eachBlock(this.#blocks, root)) this.#blocks.touch(cid);
      await this.#blocks.sync();
      const clean = name.replaceAll('\n', ' ');
      for (const root of roots) {
        const names = await this.#names(root.toString());
        if (!names.includes(clean)) await this.#write(root.toString(), [...names, clean]);
      }
      await syncFolder(this.#dir);
    });
  }

  /** Drops one reason to keep a tree, or all. */
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

  async list(): Promise<{ root: string; names: string[] }[]> {
    const roots = (await readdir(this.#dir)).filter((file) => !file.endsWith('.new'));
    return Promise.all(roots.sort().map(async (root) => ({ root, names: await this.#names(root) })));
  }

  /** Removes the blocks of no pinned tree that were last used before `usedBefore()`, in milliseconds since the epoch. */
  sweep(usedBefore: () => number): Promise<{ blocks: number; bytes: number }> {
    return this.#inTurn(async () => {
      const kept = new Set<string>();
      const keyOf = (digest: Uint8Array): string => Buffer.from(digest).toString('latin1');
      for (const { root } of await this.list()) {
        for await (const cid of eachBlock(this.#blocks, parseCid(root), true))
          kept.add(keyOf(cid.multihash.digest));
      }
      return sweepBlocks(this.#blocks, (digest) => kept.has(keyOf(digest)), usedBefore);
    });
  }
}
