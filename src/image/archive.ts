import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
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
  const packer = pack();
  try {
    for (const file of layers) handles.push(await open(file));
    const filled = fill(packer, entries, handles, onWritten);
    filled.catch((error: unknown) => packer.destroy(error as Error));
    for await (const chunk of packer as AsyncIterable<Uint8Array>) yield chunk;
    await filled;
  } finally {
    packer.destroy();
    for (const handle of handles) await handle.close();
  }
}

async function fill(
  packer: ReturnType<typeof pack>,
  entries: readonly Entry[],
  handles: readonly FileHandle[],
  onWritten: (count: number) => void,
): Promise<void> {
  for (const entry of entries) {
    await new Promise<void>((resolve, reject) => {
      const [type, mode, size] =
        entry.kind === 'dir'
          ? (['directory', 0o755, 0] as const)
          : entry.kind === 'link'
            ? (['symlink', 0o644, 0] as const)
            : (['file', entry.executable ? 0o755 : 0o644, entry.content.size] as const);
      const linkname = entry.kind === 'link' ? { linkname: entry.target } : {};
      const header = { name: entry.path, type, mode, size, mtime: new Date(0), ...linkname };
      const sink = packer.entry(header, (error) => (error ? reject(error) : resolve()));
      sink.on('error', reject);
      if (entry.kind !== 'file') sink.end(undefined);
      else pour(sink, entry.content, handles[entry.content.layer], onWritten).catch(reject);
    });
  }
  packer.finalize();
}

async function pour(
  sink: ReturnType<ReturnType<typeof pack>['entry']>,
  { at, size }: { at: number; size: number },
  handle: FileHandle | undefined,
  onWritten: (count: number) => void,
): Promise<void> {
  for (let done = 0; done < size && handle !== undefined; done += pieceBytes) {
    const piece = { at: at + done, size: Math.min(pieceBytes, size - done) };
    const more = sink.write(await readContent(handle, piece));
    onWritten(piece.size);
    if (more) continue;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        sink.off('drain', go).off('close', go);
        resolve();
      };
      sink.on('drain', go).on('close', go);
    });
    if (sink.destroyed) return;
  }
  sink.end(undefined);
}
