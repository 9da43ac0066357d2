import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import { tarOf } from '../protocol/base/tar-pack.ts';
import { readContent } from './layer.ts';
import type { Entry } from './normalise.ts';

/** Bytes of a file that are read at once. */
const pieceBytes = 1024 * 1024;

/** Writes entries as one tar archive. `layers` are the unpacked layers that hold the content of files. */
export function writeArchive(
  entries: readonly Entry[],
  layers: readonly string[],
  onProgress: (bytes: number, total: number) => void = () => {},
): Readable {
  const total = entries.reduce((sum, entry) => sum + (entry.kind === 'file' ? entry.content.size : 0), 0);
  let written = 0;
  const onWritten = (count: number): void => {
    written += count;
    onProgress(written, total);
  };
  return Readable.from(archive(entries, layers, onWritten), { objectMode: false });
}

async function* archive(
  entries: readonly Entry[],
  layers: readonly string[],
  onWritten: (count: number) => void,
): AsyncGenerator<Uint8Array> {
  const handles: FileHandle[] = [];
  try {
    for (const file of layers) handles.push(await open(file));
    yield* tarOf(pack(), async (put) => {
      for (const entry of entries) await put(headerOf(entry), contentOf(entry, handles, onWritten));
    });
  } finally {
    for (const handle of handles) await handle.close();
  }
}

function headerOf(entry: Entry) {
  const fixed = { name: entry.path, mtime: new Date(0) };
  if (entry.kind === 'dir') return { ...fixed, type: 'directory', mode: 0o755, size: 0 } as const;
  if (entry.kind === 'link')
    return { ...fixed, type: 'symlink', mode: 0o644, size: 0, linkname: entry.target } as const;
  const mode = entry.executable ? 0o755 : 0o644;
  return { ...fixed, type: 'file', mode, size: entry.content.size } as const;
}

async function* contentOf(
  entry: Entry,
  handles: readonly FileHandle[],
  onWritten: (count: number) => void,
): AsyncGenerator<Uint8Array> {
  if (entry.kind !== 'file') return;
  const { layer, at, size } = entry.content;
  const handle = handles[layer];
  for (let done = 0; done < size && handle !== undefined; done += pieceBytes) {
    const piece = { at: at + done, size: Math.min(pieceBytes, size - done) };
    yield await readContent(handle, piece);
    onWritten(piece.size);
  }
}
