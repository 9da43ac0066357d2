import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { LongWork } from '../../store/index.ts';
import { controllerNodeLimits } from './limits.ts';

/** Lines of a log from one on, 1 being the first. */
export interface LogPage {
  from: number;
  lines: string[];
  /** Lines that there are by now. The last one may still grow where the build runs. */
  count: number;
  /** Another one where the log was begun anew: the same lines of a log of one version have the same text. */
  version: number;
}

export interface FoundLine {
  line: number;
  text: string;
}

export interface LogPages {
  page(lease: string, from: number, max: number): Promise<LogPage>;
  /** Lines that contain a text, in any case, until `max` lines or `chars` characters are found. `next`: where to go on; undefined at the end. */
  search(
    lease: string,
    text: string,
    options: {
      from: number;
      max: number;
      chars: number;
      signal?: AbortSignal;
      /** Called for each piece that was looked at. The search goes on once it resolves. */
      looked?: (piece: { bytes: number; lines: number }) => Promise<void>;
    },
  ): Promise<{ found: FoundLine[]; next: number | undefined }>;
}

/** Where every so-many-th line of a file begins, as far as it was read. */
interface LineIndex {
  /** `starts[n]`: byte offset of line `n * step + 1`. */
  starts: number[];
  /** Complete lines so far, and where the next one begins. */
  count: number;
  end: number;
  version: number;
}

const step = 500;
const { logIndexedBytes, logLinesBytes } = controllerNodeLimits;
const leasePattern = /^[0-9a-f]{64}$/;

/** Log files by lease. Line ends are indexed once, as far as a file has grown; a page then costs its own lines. */
export function openLogPages(dir: string): LogPages {
  const indexes = new Map<string, LineIndex>();
  const busy = new Map<string, Promise<unknown>>();
  let versions = 0;

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

  /** `none`: where there is no such log. `read` gets the index as it is then: others may read, and index, meanwhile. */
  async function reading<T>(lease: string, none: T, read: (file: File, index: LineIndex) => Promise<T>) {
    const file = leasePattern.test(lease) ? await openFile(join(dir, `${lease}.log`)) : undefined;
    if (file === undefined) return none;
    try {
      const index = await inTurn(lease, async () => {
        const known = indexOf(lease);
        await extend(file, known, () => ++versions);
        return { ...known };
      });
      return await read(file, index);
    } finally {
      await file.close();
    }
  }

  function indexOf(lease: string): LineIndex {
    const known = indexes.get(lease) ?? { starts: [0], count: 0, end: 0, version: ++versions };
    indexes.delete(lease);
    indexes.set(lease, known);
    const [oldest] = indexes.keys();
    if (indexes.size > controllerNodeLimits.logIndexesMax && oldest !== undefined) indexes.delete(oldest);
    return known;
  }

  return {
    page: (lease, from, max) =>
      reading(
        lease,
        { from, lines: [], count: 0, version: 0 },
        async (file, { count, version, ...index }) => {
          const lines: string[] = [];
          // For its length alone nothing is read.
          if (max > 0)
            for await (const piece of linesFrom(file, index, from)) {
              lines.push(...piece.texts.slice(0, max - lines.length));
              if (lines.length === max) break;
            }
          return { from, lines, count, version };
        },
      ),
    search: (lease, text, { from, max, chars, signal, looked }) =>
      reading(lease, { found: [], next: undefined }, async (file, index) => {
        const wanted = text.toLowerCase();
        const found: FoundLine[] = [];
        const slices = new LongWork(signal);
        let left = chars;
        for await (const piece of linesFrom(file, index, from)) {
          let line = piece.line;
          for (const one of piece.texts) {
            if (plain(one).toLowerCase().includes(wanted)) {
              if (found.length >= max || left <= 0) return { found, next: line };
              left -= one.length;
              found.push({ line, text: one });
            }
            line++;
            if (slices.isOver) await slices.next();
          }
          await looked?.({ bytes: piece.bytes, lines: line - piece.line });
          signal?.throwIfAborted();
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
async function extend(file: File, index: LineIndex, newVersion: () => number): Promise<void> {
  // A worker that begins its log anew empties the file.
  if ((await file.stat()).size < index.end)
    Object.assign(index, { starts: [0], count: 0, end: 0, version: newVersion() });
  const piece = Buffer.allocUnsafe(logIndexedBytes);
  const slices = new LongWork();
  for (let at = index.end; ; ) {
    const { bytesRead } = await file.read(piece, 0, logIndexedBytes, at);
    if (bytesRead === 0) return;
    for (let end = piece.indexOf(10); end !== -1 && end < bytesRead; end = piece.indexOf(10, end + 1)) {
      index.count++;
      index.end = at + end + 1;
      if (index.count % step !== 0) continue;
      index.starts.push(index.end);
      if (slices.isOver) await slices.next();
    }
    at += bytesRead;
  }
}

interface LinesOfPiece {
  /** Number of the first one. */
  line: number;
  /** That were read for them. */
  bytes: number;
  texts: string[];
}

/** Complete lines, from one on, in pieces of a file. */
async function* linesFrom(
  file: File,
  index: Pick<LineIndex, 'starts' | 'end'>,
  from: number,
): AsyncGenerator<LinesOfPiece> {
  const block = Math.min(Math.floor((from - 1) / step), index.starts.length - 1);
  let at = index.starts[block] ?? 0;
  let line = block * step + 1;
  let rest: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  while (at < index.end) {
    const piece = Buffer.allocUnsafe(Math.min(logLinesBytes, index.end - at));
    const { bytesRead } = await file.read(piece, 0, piece.length, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    const all =
      rest.length === 0 ? piece.subarray(0, bytesRead) : Buffer.concat([rest, piece.subarray(0, bytesRead)]);
    const end = all.lastIndexOf(10);
    rest = all.subarray(end + 1);
    if (end === -1) continue;
    const lines = all.toString('utf8', 0, end).split('\n');
    const skipped = Math.min(lines.length, Math.max(0, from - line));
    const texts = lines.slice(skipped);
    line += skipped;
    if (texts.length > 0) yield { line, bytes: bytesRead, texts };
    line += texts.length;
  }
}
