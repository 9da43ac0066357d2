import { once } from 'node:events';
import { Readable } from 'node:stream';
import { type Extract, extract, type Header, type Pack, pack } from 'tar-stream';
import { QuorateError } from '../src/protocol/base/errors.ts';
import { limits } from '../src/protocol/base/limits.ts';
import { refuseEmptyHeaders } from '../src/protocol/base/tar-headers.ts';

export interface ArchivePart {
  /** Folder the part is unpacked in, below the stream's top. */
  readonly folder: string;
  readonly tar: Readable;
}

type Entry = Extract extends AsyncIterable<infer T> ? T : never;
type Sink = ReturnType<Pack['entry']>;

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
  const packer = pack();
  // The packer ends only once it was filled, and fails with this error.
  fill(packer, parts, last).catch((cause) => packer.destroy(invalid(cause)));
  try {
    // An error of the reader (a closed pipe) is raised at the yield and passed on unchanged.
    for await (const chunk of packer as AsyncIterable<Uint8Array>) yield chunk;
  } finally {
    packer.destroy();
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

async function fill(packer: Pack, parts: readonly ArchivePart[], last: readonly TrailingEntry[]) {
  let entries = 0;
  for (const { folder, tar } of parts) {
    await putTrailing(packer, { name: folder, mode: 0o755, type: 'directory' });
    const reader = extract();
    refuseEmptyHeaders(reader, () => new Error('an empty header'));
    const pumped = pump(tar, reader);
    pumped.catch((error: Error) => reader.destroy(error));
    try {
      for await (const entry of reader) {
        entries++;
        if (entries > limits.treeEntriesMax) throw new Error(`more than ${limits.treeEntriesMax} entries`);
        await copyEntry(packer, folder, entry);
      }
      await pumped;
    } finally {
      reader.destroy();
    }
  }
  for (const place of last) await putTrailing(packer, place);
  packer.finalize();
}

/** Feeds the parser. Throws when the source fails or is closed early. */
async function pump(tar: Readable, reader: Extract): Promise<void> {
  reader.on('error', () => tar.destroy());
  for await (const chunk of tar as AsyncIterable<Uint8Array>) {
    if (!reader.write(chunk)) await roomOrEnd(reader);
    if (reader.destroyed) return;
  }
  reader.end(undefined);
}

async function copyEntry(packer: Pack, folder: string, entry: Entry): Promise<void> {
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
  await put(packer, copy, type === 'file' ? entry : undefined);
  if (type !== 'file') entry.resume();
}

const putTrailing = (packer: Pack, { name, mode, type }: TrailingEntry): Promise<void> =>
  put(packer, { name: type === 'directory' ? `${name}/` : name, type, mode, mtime: new Date(0) });

/** Appends one entry. Resolves when it has been written. */
function put(packer: Pack, header: Partial<Header> & { name: string }, content?: Entry): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const sink = packer.entry(header, (error) => (error ? reject(error) : resolve()));
  sink.on('error', reject);
  pour(sink, content).catch((cause: unknown) => {
    // Destroying the sink destroys the archive at once, so the error must be passed to it.
    const error = invalid(cause);
    reject(error);
    sink.destroy(error);
  });
  return promise;
}

async function pour(sink: Sink, content: Entry | undefined): Promise<void> {
  for await (const chunk of content ?? []) {
    if (!sink.write(chunk)) await roomOrEnd(sink);
    if (sink.destroyed) return;
  }
  sink.end(undefined);
}

async function roomOrEnd(stream: Sink | Extract): Promise<void> {
  if (stream.destroyed) return;
  const stop = new AbortController();
  const events = stream as unknown as NodeJS.EventEmitter;
  await Promise.race(['drain', 'close'].map((name) => once(events, name, { signal: stop.signal }))).catch(
    () => {},
  );
  stop.abort();
}

/** Normalises a relative path: no `./`, no empty parts. Throws for a path that leaves its folder. */
function inside(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (name.startsWith('/') || parts.includes('..') || name.includes('\0'))
    throw new Error(`${JSON.stringify(name)} leaves the tree`);
  return parts.join('/');
}
