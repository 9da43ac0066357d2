import type { Readable } from 'node:stream';
import type { Blockstore } from 'interface-blockstore';
import { extract, type Header as TarHeader } from 'tar-stream';
import { QuorateError } from '../protocol/base/errors.ts';
import { printable } from '../protocol/base/escape.ts';
import { sizeText } from '../protocol/base/quantity.ts';
import { refuseEmptyHeaders } from '../protocol/base/tar-headers.ts';
import { drained } from '../protocol/base/tar-pack.ts';
import { ByteBudget, chunkBytes, storeFile, storePieces } from './file-import.ts';
import { TaskPool } from './task-pool.ts';
import { type BuiltTree, type FileSlot, TreeBuilder } from './tree-builder.ts';
import type { TreeRules } from './types.ts';

export interface ReadLimits {
  maxBytes: number;
  maxEntries: number;
  maxFiles?: number | undefined;
  rules?: TreeRules | undefined;
  signal?: AbortSignal | undefined;
  /** Whether the chunks of the archive are nobody else's, so that their memory is taken over. */
  ownsChunks?: boolean | undefined;
}

/** The parser emits the offset of an entry's content, which its types leave out. */
type Header = TarHeader & { byteOffset: number };

const blockBytes = 512;
/** Limit for headers, pax records and padding per entry: two header blocks, a long name and its padding. */
const overheadBytesPerEntry = 8 * 1024;
const overheadBytesFloor = 1024 * 1024;

const damaged = (why: string, cause?: unknown): QuorateError =>
  new QuorateError('STORE_TAR_DAMAGED', `the tar archive ${why}`, {
    hint: 'It is truncated or is not a tar archive; produce it again.',
    cause,
  });

/**
 * Checks the bytes between entries. tar-stream reads on after the two zero blocks that end an archive and accepts one without them, so
 * that one archive could be different trees in different parsers.
 */
class Gaps {
  total = 0;
  #contentEnd = 0;
  #blockIsZero = true;
  #lastNonZero = -1;
  /** Zero blocks after the content known so far, as merged ranges: few, since the parser follows closely. */
  #zeros: { from: number; to: number }[] = [];

  see(chunk: Uint8Array): void {
    const skip = Math.min(chunk.length, Math.max(0, this.#contentEnd - this.total));
    // Content ends at a block boundary, so blocks are skipped as a whole.
    if (skip > 0) this.#blockIsZero = true;
    for (let index = skip; index < chunk.length; ) {
      const at = this.total + index;
      const end = Math.min(chunk.length, index + blockBytes - (at % blockBytes));
      // Content ends with a block: which byte of it is not zero does not matter.
      if (!isZero(chunk, index, end)) {
        this.#blockIsZero = false;
        this.#lastNonZero = at;
      }
      index = end;
      if ((this.total + end) % blockBytes !== 0) continue;
      if (this.#blockIsZero) this.#addZero(this.total + end - blockBytes);
      this.#blockIsZero = true;
    }
    this.total += chunk.length;
  }

  #addZero(from: number): void {
    const last = this.#zeros.at(-1);
    if (last?.to === from) last.to += blockBytes;
    else this.#zeros.push({ from, to: from + blockBytes });
  }

  /** Notes that the content of an entry begins at `start`, one block after its header. @throws STORE_TAR_DAMAGED */
  entry(start: number, size: number): void {
    const header = start - blockBytes;
    if (this.#zeros.some(({ from }) => from < header)) throw damaged('goes on after its end');
    this.#contentEnd = start + Math.ceil(size / blockBytes) * blockBytes;
    this.#zeros = this.#zeros.filter(({ to }) => to > this.#contentEnd);
  }

  /** @throws STORE_TAR_DAMAGED */
  end(): void {
    if (this.#lastNonZero >= this.#contentEnd) throw damaged('goes on after its end');
    if (this.total < this.#contentEnd + 2 * blockBytes) throw damaged('has no end marker');
  }
}

function isZero(bytes: Uint8Array, from: number, end: number): boolean {
  for (let index = from; index < end; index += 1) if (bytes[index] !== 0) return false;
  return true;
}

/**
 * Reads an untrusted tar archive into a tree, in one pass. Accepts plain files, folders, symbolic links and hard links to earlier files.
 * @throws STORE_TAR_DAMAGED (also without its end marker), STORE_ENTRY_REFUSED, STORE_TREE_TOO_LARGE, STORE_TREE_TOO_MANY_ENTRIES,
 * STORE_TREE_TOO_MANY_FILES, and the codes of names and links
 */
export async function readTar(
  tar: Readable,
  blocks: Blockstore,
  bounds: ReadLimits,
): Promise<BuiltTree & { bytes: number }> {
  const tree = new TreeBuilder(bounds.maxEntries, bounds.rules, bounds.maxFiles);
  const budget = new ByteBudget(bounds.maxBytes);
  const pool = new TaskPool();
  const gaps = new Gaps();
  const parser = extract();
  refuseEmptyHeaders(parser, () => damaged('has an empty header'));
  const pumped = pump(tar, parser, gaps, budget, bounds);
  // Awaited below; this prevents an unhandled rejection until then.
  pumped.catch(() => {});
  try {
    const storeLarge = bounds.ownsChunks === true ? storePieces : storeFile;
    for await (const entry of parser) {
      const header = entry.header as Header;
      gaps.entry(header.byteOffset, header.size);
      const slot = place(tree, header);
      if (slot === undefined) {
        entry.resume();
        continue;
      }
      budget.take(header.size);
      const content = entry as AsyncIterable<Uint8Array>;
      if (header.size > chunkBytes) slot.stored = await storeLarge(blocks, content, slot.executable);
      else {
        // Small files are read whole and stored in parallel; large ones are streamed one at a time.
        const bytes = Buffer.concat(await Array.fromAsync(content));
        await pool.run(async () => {
          slot.stored = await storeFile(blocks, bytes, slot.executable);
        });
      }
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
  return { ...(await tree.build(blocks, bounds.signal)), bytes: budget.used };
}

/** The reason of a failure: that of the pump (a limit) where it has one, else that of the parser. */
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
  const onAbort = (): void => void tar.destroy(bounds.signal?.reason);
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

const refused = (header: Header, what: string): QuorateError =>
  new QuorateError('STORE_ENTRY_REFUSED', `the archive entry ${printable(header.name)} is ${what}`, {
    hint: 'A tree holds plain files, folders and links that stay inside it.',
  });

/** Adds an entry to the tree. Returns the slot of a file whose bytes follow. */
function place(tree: TreeBuilder, header: Header): FileSlot | undefined {
  const keys = Object.keys(header.pax ?? {});
  if (keys.some((key) => key.startsWith('GNU.sparse') || key === 'SCHILY.realsize')) {
    throw refused(header, 'a sparse file');
  }
  // `tar -C dir .` writes "./a": this prefix is accepted, other dot parts are refused below.
  const named = header.name.startsWith('./') ? header.name.slice(2) : header.name;
  const isFolder = header.type === 'directory';
  const path = isFolder ? named.replace(/\/$/, '') : named;
  if (header.type !== 'file' && header.size > 0) throw refused(header, 'not a file but has content');
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
