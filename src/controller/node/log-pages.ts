import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withoutColours } from '../../protocol/base/escape.ts';
import { type LogCut, logCutIn } from '../../protocol/base/log-notes.ts';
import { failedStepIn, type LogStep, LogSteps } from '../../protocol/base/log-steps.ts';
import { type LineTimes, parseLogTimes } from '../../protocol/base/log-times.ts';
import { keepNewest } from '../../protocol/base/maps.ts';
import { oneByOne } from '../../protocol/base/one-by-one.ts';
import { LongWork } from '../../store/index.ts';
import { controllerNodeLimits } from './limits.ts';
import { timesFileOf } from './log-files.ts';

/** By whose clock: the worker's, since the build began, or the controller's, since its log began to come, while it does. */
export type TimesBy = 'worker' | 'controller';

/** Lines of a log from one on, 1 being the first. */
export interface LogPage {
  from: number;
  lines: string[];
  /** As far as `head` has read them. */
  times: LineTimes;
  timesBy: TimesBy;
  /** Another one where the log was begun anew: the same lines of a log of one version have the same text. */
  version: number;
}

export interface LogHead {
  /** Lines that there are by now. The last one may still grow where the build runs. */
  count: number;
  steps: readonly LogStep[];
  /** It says that it is cut, and why. */
  cut?: { why: LogCut; line: number };
  /** Empty between the end of the log and the receipt, which brings those of the worker. */
  times: LineTimes;
  timesBy: TimesBy;
}

/** How a build failed, by the end of its log. */
export interface LogFailure {
  /** The step that failed, where its log says so. `name`: where it has one. */
  step?: { n: number; code: number; name?: string };
  /** The last lines before it is said that it failed, or of the log. They may have colours. */
  lines: readonly string[];
}

export interface FoundLine {
  line: number;
  text: string;
  /** It stands beside a line that was found, and is none itself. */
  isNear?: true;
}

export type LogPages = ReturnType<typeof openLogPages>;

/** In each line of a log that is not of its build. */
const ownNote = 'quorate: ';
const step = 500;
const { logIndexedBytes, logLinesBytes, logNearLines } = controllerNodeLimits;
const { logFailureBytes, logFailureLines } = controllerNodeLimits;
const leasePattern = /^[0-9a-f]{64}$/;

/**
 * Log files by lease. Line ends are indexed once, as far as a file has grown; a page then costs its own lines. `liveTimes`: of a log that
 * is being sent.
 */
export function openLogPages(
  dir: string,
  liveTimes: (lease: string) => LineTimes | undefined = () => undefined,
) {
  const indexes = new Map<string, ReturnType<typeof indexOf>>();
  let versions = 0;

  const fileOf = async (lease: string): Promise<File | undefined> =>
    leasePattern.test(lease) ? openFile(join(dir, `${lease}.log`)) : undefined;

  const timesOf = async (lease: string): Promise<LineTimes> =>
    parseLogTimes(await readFile(timesFileOf(dir, lease), 'utf8').catch(() => ''));

  /** `none`: where there is no such log. `read` gets the index as it is then: others may read, and index, meanwhile. */
  async function reading<T>(lease: string, none: T, read: (file: File, index: LineIndex) => Promise<T>) {
    const file = await fileOf(lease);
    if (file === undefined) return none;
    try {
      const known = indexOf(lease);
      const index = await known.inTurn(async () => {
        const { size, ino } = await file.stat();
        // A worker that begins its log anew empties the file; a whole log replaces one that was cut.
        if (size < known.end || ino !== known.inode)
          Object.assign(known, noIndex(++versions), { inode: ino });
        await extend(file, known);
        return { ...known };
      });
      return await read(file, index);
    } finally {
      await file.close();
    }
  }

  function indexOf(lease: string): LineIndex & { inTurn: ReturnType<typeof oneByOne> } {
    // Two readers would index the same bytes twice.
    const known = indexes.get(lease) ?? { ...noIndex(++versions), inTurn: oneByOne() };
    keepNewest(indexes, lease, known, controllerNodeLimits.logIndexesMax);
    return known;
  }

  const stated = (lease: string, times: LineTimes): { times: LineTimes; timesBy: TimesBy } => {
    const live = liveTimes(lease);
    return live === undefined ? { times, timesBy: 'worker' } : { times: live, timesBy: 'controller' };
  };

  return {
    head: (lease: string) =>
      reading<LogHead>(lease, { count: 0, steps: [], ...stated(lease, noTimes) }, async (_, index) => {
        const { count, cut, steps } = index;
        const times = index.times.size > 0 ? index.times : await timesOf(lease);
        const known = indexes.get(lease);
        if (known?.version === index.version) known.times = times;
        // It may be read on meanwhile.
        return {
          count,
          ...stated(lease, times),
          ...(cut && { cut }),
          steps: steps.steps.map((one) => ({ ...one })),
        };
      }),
    /** Reads the end of the log alone. Undefined where it has no line. */
    async failure(lease: string): Promise<LogFailure | undefined> {
      const file = await fileOf(lease);
      if (file === undefined) return undefined;
      try {
        return failureIn(await lastLines(file));
      } finally {
        await file.close();
      }
    },
    page: (lease: string, from: number, max: number) =>
      reading<LogPage>(
        lease,
        { from, lines: [], version: 0, ...stated(lease, noTimes) },
        async (file, index) => {
          const lines: string[] = [];
          for await (const piece of linesFrom(file, index, from)) {
            lines.push(...piece.texts.slice(0, max - lines.length));
            if (lines.length === max) break;
          }
          return { from, lines, version: index.version, ...stated(lease, index.times) };
        },
      ),
    /**
     * Lines that contain a text, in any case, with those beside them, until `max` are found or these have `chars` characters. `next`: where to
     * go on; undefined at the end. `looked`: called for each piece that was looked at; the search goes on once it resolves.
     */
    search: (
      lease: string,
      text: string,
      of: {
        from: number;
        max: number;
        chars: number;
        signal?: AbortSignal;
        looked?: (piece: { bytes: number; lines: number }) => Promise<void>;
      },
    ) =>
      reading<{ found: FoundLine[]; next: number | undefined }>(
        lease,
        { found: [], next: undefined },
        async (file, index) => {
          const { from, max, chars, signal, looked } = of;
          const wanted = text.toLowerCase();
          const found = new FoundLines({ max, chars });
          const slices = new LongWork(signal);
          for await (const piece of linesFrom(file, index, from)) {
            let line = piece.line;
            for (const one of piece.texts) {
              const isFound = withoutColours(one).toLowerCase().includes(wanted);
              if (isFound && found.isFull) return { found: found.lines, next: line };
              found.push(line, one, isFound);
              line++;
              if (slices.isOver) await slices.next();
            }
            await looked?.({ bytes: piece.bytes, lines: line - piece.line });
            signal?.throwIfAborted();
          }
          return { found: found.lines, next: undefined };
        },
      ),
  };
}

/** Lines that were found, each with up to `logNearLines` before and after it. */
class FoundLines {
  readonly lines: FoundLine[] = [];
  readonly #before: FoundLine[] = [];
  /** That are shown, whatever they say. */
  #after = 0;
  #max: number;
  #chars: number;

  constructor({ max, chars }: { max: number; chars: number }) {
    this.#max = max;
    this.#chars = chars;
  }

  get isFull(): boolean {
    return this.#max <= 0 || this.#chars <= 0;
  }

  push(line: number, text: string, isFound: boolean): void {
    if (isFound) {
      this.#max--;
      this.#after = logNearLines;
      this.#add(...this.#before.splice(0), { line, text });
    } else if (this.#after > 0) {
      this.#after--;
      this.#add({ line, text, isNear: true });
    } else {
      this.#before.push({ line, text, isNear: true });
      if (this.#before.length > logNearLines) this.#before.shift();
    }
  }

  #add(...lines: FoundLine[]): void {
    this.lines.push(...lines);
    for (const { text } of lines) this.#chars -= text.length;
  }
}

type File = Awaited<ReturnType<typeof open>>;

async function openFile(path: string): Promise<File | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

const noTimes: LineTimes = new Map();

type LineIndex = ReturnType<typeof noIndex>;

/** Where every so-many-th line of a file begins, as far as it was read. */
const noIndex = (version: number) => ({
  /** `starts[n]`: byte offset of line `n * step + 1`. */
  starts: [0],
  /** Complete lines so far, and where the next one begins. */
  count: 0,
  end: 0,
  version,
  /** Another file has another index. */
  inode: -1,
  steps: new LogSteps(),
  cut: undefined as LogHead['cut'],
  times: noTimes,
});

/** Reads on from where the index ends. */
async function extend(file: File, index: LineIndex): Promise<void> {
  const piece = Buffer.allocUnsafe(logIndexedBytes);
  const slices = new LongWork();
  for (let at = index.end; ; ) {
    const { bytesRead } = await file.read(piece, 0, logIndexedBytes, at);
    if (bytesRead === 0) return;
    const read = piece.subarray(0, bytesRead);
    let note = read.indexOf(ownNote);
    for (let end = read.indexOf(10); end !== -1; end = read.indexOf(10, end + 1)) {
      index.count++;
      if (note !== -1 && note < end) {
        const line = read.toString('utf8', Math.max(0, index.end - at), end);
        index.steps.push(line, index.count);
        const why = logCutIn(line);
        if (why !== undefined) index.cut ??= { why, line: index.count };
        note = read.indexOf(ownNote, end);
      }
      index.end = at + end + 1;
      if (index.count % step !== 0) continue;
      index.starts.push(index.end);
      if (slices.isOver) await slices.next();
    }
    // A line that goes on in the next piece is read again, unless there is nothing before it.
    at = index.end > at ? index.end : at + bytesRead;
  }
}

/** Complete lines at the end of a file. */
async function lastLines(file: File): Promise<string[]> {
  const { size } = await file.stat();
  const piece = Buffer.allocUnsafe(Math.min(size, logFailureBytes));
  const { bytesRead } = await file.read(piece, 0, piece.length, size - piece.length);
  const lines = piece.toString('utf8', 0, bytesRead).split('\n').slice(0, -1);
  return bytesRead < size ? lines.slice(1) : lines;
}

function failureIn(lines: readonly string[]): LogFailure | undefined {
  if (lines.length === 0) return undefined;
  for (let at = lines.length - 1; at >= 0; at--) {
    const failed = failedStepIn(lines[at] ?? '');
    if (failed === undefined || failed.allowed) continue;
    const { n, code, name } = failed;
    return {
      step: { n, code, ...(name !== undefined && { name }) },
      lines: lines.slice(Math.max(0, at - logFailureLines), at),
    };
  }
  return { lines: lines.slice(-logFailureLines) };
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
