import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { controllerNodeLimits } from './limits.ts';

/** Lines of a log from one on, 1 being the first. */
export interface LogPage {
  from: number;
  lines: string[];
  /** Lines that there are by now. The last one may still grow where the build runs. */
  count: number;
}

export interface FoundLine {
  line: number;
  text: string;
}

/** Reads pages of the log files of builds. */
export interface LogPages {
  page(lease: string, from: number, max: number): Promise<LogPage>;
  /** Lines that contain a text, whatever their case, from a line on; `next`: where to go on, undefined at the end. */
  search(
    lease: string,
    text: string,
    options: { from: number; max: number },
  ): Promise<{ found: FoundLine[]; next: number | undefined }>;
}

/** Where every so-many-th line of a file begins, as far as it was read. */
interface LineIndex {
  /** `starts[n]`: byte offset of line `n * step + 1`. */
  starts: number[];
  /** Complete lines so far, and where the next one begins. */
  count: number;
  end: number;
}

const step = 500;
const pieceBytes = 256 * 1024;
const leasePattern = /^[0-9a-f]{64}$/;

/**
 * Log files in a folder, by the id of their lease. A file is read once for its line ends, as far as it has grown; a page then costs its
 * own lines.
 */
export function openLogPages(dir: string): LogPages {
  const indexes = new Map<string, LineIndex>();
  const busy = new Map<string, Promise<unknown>>();

  /** One after the other for each file: two readers would index the same bytes twice. */
  function inTurn<T>(lease: string, work: () => Promise<T>): Promise<T> {
    const turn = (busy.get(lease) ?? Promise.resolve()).then(work, work);
    busy.set(lease, turn);
    const done = () => {
      if (busy.get(lease) === turn) busy.delete(lease);
    };
    turn.then(done, done);
    return turn;
  }

  /** `none`: where there is no such log. */
  const reading = <T>(lease: string, none: T, read: (file: File, index: LineIndex) => Promise<T>) =>
    inTurn(lease, async () => {
      const file = leasePattern.test(lease) ? await openFile(join(dir, `${lease}.log`)) : undefined;
      if (file === undefined) return none;
      try {
        const index = indexOf(lease);
        await extend(file, index);
        return await read(file, index);
      } finally {
        await file.close();
      }
    });

  function indexOf(lease: string): LineIndex {
    const known = indexes.get(lease) ?? { starts: [0], count: 0, end: 0 };
    indexes.delete(lease);
    indexes.set(lease, known);
    const [oldest] = indexes.keys();
    if (indexes.size > controllerNodeLimits.logIndexesMax && oldest !== undefined) indexes.delete(oldest);
    return known;
  }

  return {
    page: (lease, from, max) =>
      reading(lease, { from, lines: [], count: 0 }, async (file, index) => {
        const lines: string[] = [];
        for await (const { text } of linesFrom(file, index, from)) {
          if (lines.length >= max) break;
          lines.push(text);
        }
        return { from, lines, count: index.count };
      }),
    search: (lease, text, { from, max }) =>
      reading(lease, { found: [], next: undefined }, async (file, index) => {
        const wanted = text.toLowerCase();
        const found: FoundLine[] = [];
        for await (const one of linesFrom(file, index, from)) {
          if (!plain(one.text).toLowerCase().includes(wanted)) continue;
          if (found.length >= max) return { found, next: one.line };
          found.push(one);
        }
        return { found, next: undefined };
      }),
  };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours of a terminal are no part of the text that is looked for
const plain = (text: string): string => text.replace(/\u001b\[[0-9;:]{0,40}m/g, '');

type File = Awaited<ReturnType<typeof open>>;

async function openFile(path: string): Promise<File | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Reads on from where the index ends. */
async function extend(file: File, index: LineIndex): Promise<void> {
  // A worker that begins its log anew empties the file.
  if ((await file.stat()).size < index.end) Object.assign(index, { starts: [0], count: 0, end: 0 });
  const piece = Buffer.allocUnsafe(pieceBytes);
  for (let at = index.end; ; ) {
    const { bytesRead } = await file.read(piece, 0, pieceBytes, at);
    if (bytesRead === 0) return;
    for (let end = piece.indexOf(10); end !== -1 && end < bytesRead; end = piece.indexOf(10, end + 1)) {
      index.count++;
      index.end = at + end + 1;
      if (index.count % step === 0) index.starts.push(index.end);
    }
    at += bytesRead;
  }
}

/** Complete lines, from one on. */
async function* linesFrom(file: File, index: LineIndex, from: number): AsyncGenerator<FoundLine> {
  const block = Math.min(Math.floor((from - 1) / step), index.starts.length - 1);
  let at = index.starts[block] ?? 0;
  let line = block * step + 1;
  let rest: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  while (at < index.end) {
    const piece = Buffer.allocUnsafe(Math.min(pieceBytes, index.end - at));
    const { bytesRead } = await file.read(piece, 0, piece.length, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    const all =
      rest.length === 0 ? piece.subarray(0, bytesRead) : Buffer.concat([rest, piece.subarray(0, bytesRead)]);
    let begin = 0;
    for (let end = all.indexOf(10); end !== -1; end = all.indexOf(10, begin)) {
      if (line >= from) yield { line, text: all.toString('utf8', begin, end) };
      line++;
      begin = end + 1;
    }
    rest = all.subarray(begin);
  }
}
