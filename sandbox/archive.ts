import { Readable } from 'node:stream';
import { type Extract, extract, type Header, pack } from 'tar-stream';
import { QuorateError } from '../src/protocol/base/errors.ts';
import { limits } from '../src/protocol/base/limits.ts';
import { refuseEmptyHeaders } from '../src/protocol/base/tar-headers.ts';
import { drained, type Put, tarOf } from '../src/protocol/base/tar-pack.ts';

export interface ArchivePart {
  /** Folder the part is unpacked in, below the stream's top. */
  readonly folder: string;
  readonly tar: Readable;
}

type Entry = Extract extends AsyncIterable<infer T> ? T & AsyncIterable<Uint8Array> : never;
type TarHeader = Partial<Header> & { name: string };

/** Entry types that a source or an input may hold. Devices, pipes and sockets are refused. */
const entryTypes = new Set(['file', 'directory', 'symlink', 'link']);

/** An empty folder or a named pipe that is appended at the top level of the joined stream. */
export interface TrailingEntry {
  readonly name: string;
  readonly mode: number;
  readonly type: 'directory' | 'fifo';
}

/**
 * Joins tar streams into one, each below its folder, and appends the trailing entries: a reader that has unpacked the last
 * of them knows that the stream was not cut short. Honours backpressure on both sides.
 * @throws SANDBOX_JOB_INVALID through the stream, when a part is not a tar, is truncated, holds more than
 * `treeEntriesMax` entries, names a path outside its folder, or holds anything but files, folders and links
 */
export function joinArchives(parts: readonly ArchivePart[], last: readonly TrailingEntry[]): Readable {
  return Readable.from(joined(parts, last), { objectMode: false });
}

async function* joined(
  parts: readonly ArchivePart[],
  last: readonly TrailingEntry[],
): AsyncGenerator<Uint8Array> {
  try {
    // An error of the reader (a closed pipe) is raised at the yield and passed on unchanged.
    yield* tarOf<TarHeader>(pack(), (put) =>
      fill(put, parts, last).catch((cause) => {
        throw invalid(cause);
      }),
    );
  } finally {
    for (const { tar } of parts) tar.destroy();
  }
}

function invalid(cause: unknown): QuorateError {
  if (cause instanceof QuorateError) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new QuorateError('SANDBOX_JOB_INVALID', `source or input: ${why}`, {
    hint: 'the tar streams given to the sandbox must be whole and hold files, folders and links only',
    cause,
  });
}

async function fill(put: Put<TarHeader>, parts: readonly ArchivePart[], last: readonly TrailingEntry[]) {
  let entries = 0;
  for (const { folder, tar } of parts) {
    await putTrailing(put, { name: folder, mode: 0o755, type: 'directory' });
    const reader = extract();
    refuseEmptyHeaders(reader, () => new Error('an empty header'));
    const pumped = pump(tar, reader);
    pumped.catch((error: Error) => reader.destroy(error));
    try {
      for await (const entry of reader as AsyncIterable<Entry>) {
        entries++;
        if (entries > limits.treeEntriesMax) throw new Error(`more than ${limits.treeEntriesMax} entries`);
        await copyEntry(put, folder, entry);
      }
      await pumped;
    } finally {
      reader.destroy();
    }
  }
  for (const place of last) await putTrailing(put, place);
}

/** Feeds the parser. Throws when the source fails or is closed early. */
async function pump(tar: Readable, reader: Extract): Promise<void> {
  reader.on('error', () => tar.destroy());
  for await (const chunk of tar as AsyncIterable<Uint8Array>) {
    if (!reader.write(chunk)) await drained(reader);
    if (reader.destroyed) return;
  }
  reader.end(undefined);
}

async function copyEntry(put: Put<TarHeader>, folder: string, entry: Entry): Promise<void> {
  const { header } = entry;
  const type = header.type ?? 'file';
  if (!entryTypes.has(type)) throw new Error(`${JSON.stringify(header.name)} is a ${type}`);
  const copy = {
    name: `${folder}/${inside(header.name)}`,
    type,
    mode: header.mode & 0o777,
    mtime: header.mtime,
    size: type === 'file' ? header.size : 0,
    linkname: type === 'link' ? `${folder}/${inside(header.linkname)}` : header.linkname,
  };
  await put(copy, type === 'file' ? entry : undefined);
  if (type !== 'file') entry.resume();
}

const putTrailing = (put: Put<TarHeader>, { name, mode, type }: TrailingEntry): Promise<void> =>
  put({ name: type === 'directory' ? `${name}/` : name, type, mode, mtime: new Date(0) });

/** Normalises a relative path: no `./`, no empty parts. Throws for a path that leaves its folder. */
function inside(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (name.startsWith('/') || parts.includes('..') || name.includes('\0'))
    throw new Error(`${JSON.stringify(name)} leaves the tree`);
  return parts.join('/');
}
