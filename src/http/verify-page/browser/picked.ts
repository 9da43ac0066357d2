import { limits } from '../../../protocol/base/limits.ts';
import type { GivenFile } from './content.ts';

export interface Picked {
  name: string;
  isFolder: boolean;
  files: GivenFile[];
}

/** Not every browser iterates over a stream by itself. Who stops early ends it. */
export async function* chunksOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel();
  }
}

const given = (file: File, path: string): GivenFile => ({
  path,
  size: file.size,
  read: () => chunksOf(file.stream()),
});

/** Files from an input; those of a folder have paths that begin with its name. */
export function pickedFrom(list: readonly File[]): Picked | undefined {
  const [first, second] = list;
  if (first === undefined) return undefined;
  const [folder = '', ...rest] = first.webkitRelativePath.split('/');
  if (rest.length === 0) {
    const files = list.map((file) => given(file, file.name));
    return {
      name: second === undefined ? first.name : `${list.length} files`,
      isFolder: second !== undefined,
      files,
    };
  }
  const below = list.map((file) => given(file, file.webkitRelativePath.slice(folder.length + 1)));
  return { name: folder, isFolder: true, files: below };
}

/** A bundle is canonical JSON, and its first key is that of the charter. */
async function isBundle(file: File): Promise<boolean> {
  const head = '{"charter":"';
  return (await file.slice(0, head.length).text()) === head;
}

/** Dropped files: a bundle, and anything else as the artifact. */
export async function dropped(transfer: DataTransfer): Promise<{ bundle?: File; artifact?: Picked }> {
  // Both lists are empty as soon as the event is over, so they are read before anything is waited for.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry());
  const plain = [...transfer.files];
  const folder = entries.find((entry) => entry?.isDirectory);
  const files = plain.filter((_, at) => entries[at]?.isDirectory !== true);
  let bundle: File | undefined;
  const rest: File[] = [];
  for (const file of files) {
    if (bundle === undefined && (await isBundle(file))) bundle = file;
    else rest.push(file);
  }
  const artifact =
    folder === undefined || folder === null
      ? pickedFrom(rest)
      : { name: folder.name, isFolder: true, files: await filesBelow(folder as FileSystemDirectoryEntry) };
  return { ...(bundle !== undefined && { bundle }), ...(artifact !== undefined && { artifact }) };
}

async function filesBelow(top: FileSystemDirectoryEntry): Promise<GivenFile[]> {
  const found: GivenFile[] = [];
  const folders = [{ entry: top, prefix: '' }];
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    for (const entry of await entriesOf(next.entry)) {
      const path = next.prefix + entry.name;
      if (entry.isDirectory) folders.push({ entry: entry as FileSystemDirectoryEntry, prefix: `${path}/` });
      else found.push(given(await fileOf(entry as FileSystemFileEntry), path));
      // The next one is refused, when the tree is made of them.
      if (found.length + folders.length > limits.treeEntriesMax) return found;
    }
  }
  return found;
}

const fileOf = (entry: FileSystemFileEntry): Promise<File> =>
  new Promise((resolve, reject) => entry.file(resolve, reject));

/** A browser gives a hundred entries at a time, and none at the end. */
async function entriesOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return all;
    all.push(...some);
    if (all.length > limits.treeEntriesMax) return all;
  }
}
