import type { Readable } from 'node:stream';
import type { Blockstore } from 'interface-blockstore';
import { extract, type Header as TarHeader } from 'tar-stream';
import { QuorateError } from '../core/errors.ts';
import { sizeText } from '../core/quantity.ts';
import { ByteBudget, chunkBytes, storeFile } from './file-import.ts';
import { JobPool } from './job-pool.ts';
import { printable } from './names.ts';
import { type BuiltTree, type FileSlot, TreeBuilder } from './tree-builder.ts';
import type { TreeRules } from './types.ts';

export interface ReadLimits {
  maxBytes: number;
  maxEntries: number;
  rules?: TreeRules | undefined;
  signal?: AbortSignal | undefined;
}

/** The parser also tells where an entry's content begins, which its types leave out. */
type Header = TarHeader & { byteOffset: number };

const blockBytes = 512;
/** Headers, pax records and padding per entry: two blocks of header, a long name and its padding, generously. */
const overheadBytesPerEntry = 8 * 1024;
const overheadBytesFloor = 1024 * 1024;

const damaged = (why: string, cause?: unknown): QuorateError =>
  new QuorateError('STORE_TAR_DAMAGED', `the tar archive ${why}`, {
    hint: 'It was cut off or is not a tar archive; produce it again.',
    cause,
  });

/**
 * Watches the bytes between entries. A tar ends with two zero blocks and nothing after; our parser reads on behind them
 * where others stop, and does not miss them where they are absent, so that one archive could be two trees.
 */
class Gaps {
  total = 0;
  #contentEnd = 0;
  #blockIsZero = true;
  #lastNonZero = -1;
  /** Zero blocks beyond the content known so far, as merged ranges: short, since the parser is close behind. */
  #zeros: { from: number; to: number }[] = [];

  see(chunk: Uint8Array): void {
    const skip = Math.min(chunk.length, Math.max(0, this.#contentEnd - this.total));
    // Content ends at a block boundary, so a block is skipped as a whole or not at all.
    if (skip > 0) this.#blockIsZero = true;
    for (let index = skip; index < chunk.length; index += 1) {
      const at = this.total + index;
      if (chunk[index] !== 0) {
        this.#blockIsZero = false;
        this.#lastNonZero = at;
      }
      if (at % blockBytes !== blockBytes - 1) continue;
      if (this.#blockIsZero) this.#addZero(at + 1 - blockBytes);
      this.#blockIsZero = true;
    }
    this.total += chunk.length;
  }

  #addZero(from: number): void {
    const last = this.#zeros.at(-1);
    if (last?.to === from) last.to += blockBytes;
    else this.#zeros.push({ from, to: from + blockBytes });
  }

  /** Content of an entry begins at `start`, one block after its header. @throws STORE_TAR_DAMAGED */
  entry(start: number, size: number): void {
    const header = start - blockBytes;
    if (this.#zeros.some(({ from, to }) => to > this.#contentEnd && from < header))
      throw damaged('goes on after its end');
    this.#contentEnd = start + Math.ceil(size / blockBytes) * blockBytes;
    this.#zeros = this.#zeros.filter(({ to }) => to > this.#contentEnd);
  }

  /** @throws STORE_TAR_DAMAGED */
  end(): void {
    if (this.#lastNonZero >= this.#contentEnd) throw damaged('goes on after its end');
    if (this.total < this.#contentEnd + 2 * blockBytes) throw damaged('has no end marker');
  }
}

/**
 * Reads an untrusted tar archive into a tree, in one pass. Only plain files, folders, symbolic links and hard links to
 * earlier files get in; the rest is refused, and so is an archive without its end marker, so that no cut passes as whole.
 * @throws STORE_TAR_DAMAGED, STORE_ENTRY_REFUSED, STORE_TREE_TOO_LARGE, STORE_TREE_TOO_MANY, and the codes of names and links
 */
export async function readTar(
  tar: Readable,
  blocks: Blockstore,
  bounds: ReadLimits,
): Promise<BuiltTree & { bytes: number }> {
  const tree = new TreeBuilder(bounds.maxEntries, bounds.rules);
  const budget = new ByteBudget(bounds.maxBytes);
  const pool = new JobPool();
  const gaps = new Gaps();
  const parser = extract();
  const pumped = pump(tar, parser, gaps, budget, bounds);
  // The pump's failure also destroys the parser; it is awaited below, this only keeps it from being unhandled meanwhile.
  pumped.catch(() => {});
  try {
    for await (const entry of parser) {
      const header = entry.header as Header;
      // The parser still waits for the rest of a header without content, and would take this entry's bytes for it.
      if ((parser as unknown as { _longHeader: boolean })._longHeader) throw damaged('has an empty header');
      gaps.entry(header.byteOffset, header.size);
      const slot = place(tree, header);
      if (slot === undefined) entry.resume();
      else await take(entry as AsyncIterable<Uint8Array>, header, slot, blocks, budget, pool);
    }
    await pumped;
  } catch (error) {
    parser.destroy();
    tar.destroy();
    await pool.drain().catch(() => {});
    throw bounds.signal?.aborted ? bounds.signal.reason : await cause(error, pumped);
  }
  await pool.drain();
  gaps.end();
  const built = await tree.build(blocks, bounds.signal);
  return { ...built, bytes: budget.used };
}

/** The pump knows better why the parser stopped (a bound) than the parser does. */
async function cause(error: unknown, pumped: Promise<void>): Promise<unknown> {
  if (error instanceof QuorateError) return error;
  const first = await pumped.then(
    () => error,
    (reason: unknown) => reason,
  );
  if (first instanceof QuorateError) return first;
  return damaged(first instanceof Error ? `cannot be read: ${first.message}` : 'cannot be read', first);
}

async function pump(
  tar: Readable,
  parser: ReturnType<typeof extract>,
  gaps: Gaps,
  budget: ByteBudget,
  bounds: ReadLimits,
): Promise<void> {
  const totalMax = budget.max + bounds.maxEntries * overheadBytesPerEntry + overheadBytesFloor;
  let failed: unknown;
  parser.on('error', (error) => {
    failed ??= error;
  });
  const onAbort = (): void => {
    tar.destroy(bounds.signal?.reason);
  };
  bounds.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    bounds.signal?.throwIfAborted();
    for await (const chunk of tar as AsyncIterable<Uint8Array>) {
      gaps.see(chunk);
      if (gaps.total > totalMax) {
        throw new QuorateError('STORE_TREE_TOO_LARGE', `the archive is over ${sizeText(totalMax)}`);
      }
      if (!parser.write(chunk)) await drained(parser);
      if (failed !== undefined) throw failed;
      if (parser.destroyed) throw new Error('the parser was closed');
    }
    parser.end(undefined);
  } catch (error) {
    const reason = bounds.signal?.aborted ? bounds.signal.reason : (failed ?? error);
    parser.destroy(reason instanceof Error ? reason : new Error(String(reason)));
    throw reason;
  } finally {
    bounds.signal?.removeEventListener('abort', onAbort);
  }
}

/** Resolves when there is room, or never will be. */
function drained(parser: ReturnType<typeof extract>): Promise<void> {
  // One that is closed tells nobody any more.
  if (parser.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      parser.off('drain', done);
      parser.off('close', done);
      resolve();
    };
    parser.on('drain', done);
    parser.on('close', done);
  });
}

const refused = (header: Header, what: string): QuorateError =>
  new QuorateError('STORE_ENTRY_REFUSED', `the archive entry ${printable(header.name)} is ${what}`, {
    hint: 'A tree holds plain files, folders and links that stay inside it.',
  });

/** Puts an entry into the tree; returns the slot when bytes follow. */
function place(tree: TreeBuilder, header: Header): FileSlot | undefined {
  const keys = Object.keys(header.pax ?? {});
  if (keys.some((key) => key.startsWith('GNU.sparse') || key === 'SCHILY.realsize')) {
    throw refused(header, 'a sparse file');
  }
  // `tar -C dir .` writes "./a": that one prefix is plain habit, any other dot part is refused below.
  const named = header.name.startsWith('./') ? header.name.slice(2) : header.name;
  const isFolder = header.type === 'directory';
  const path = isFolder ? named.replace(/\/$/, '') : named;
  if (header.type !== 'file' && header.size > 0) throw refused(header, 'no file but has content');
  switch (header.type) {
    case 'file':
      if ((header.mode & 0o6000) !== 0) throw refused(header, 'setuid or setgid');
      return tree.addFile(path, (header.mode & 0o111) !== 0);
    case 'directory':
      if (path !== '' && header.name !== '.') tree.addFolder(path);
      return undefined;
    case 'symlink':
      tree.addLink(path, header.linkname ?? '');
      return undefined;
    case 'link': {
      const target = header.linkname ?? '';
      tree.addHardLink(path, target.startsWith('./') ? target.slice(2) : target);
      return undefined;
    }
    case 'character-device':
    case 'block-device':
    case 'fifo':
      throw refused(header, `a ${header.type}`);
    default:
      throw refused(header, 'of a kind that is not supported');
  }
}

/** Small files are read whole and stored beside each other; large ones are streamed one at a time. */
async function take(
  content: AsyncIterable<Uint8Array>,
  header: Header,
  slot: FileSlot,
  blocks: Blockstore,
  budget: ByteBudget,
  pool: JobPool,
): Promise<void> {
  const size = header.size;
  budget.take(size);
  if (size > chunkBytes) {
    slot.stored = await storeFile(blocks, content, slot.executable);
    return;
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  await pool.run(async () => {
    slot.stored = await storeFile(blocks, bytes, slot.executable);
  });
}
