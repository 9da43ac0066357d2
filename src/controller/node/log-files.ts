import { createReadStream, createWriteStream, writeFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { LineEscaper } from '../../protocol/base/escape.ts';
import { limits } from '../../protocol/base/limits.ts';
import { limitNote, logCutIn } from '../../protocol/base/log-notes.ts';
import { Counts } from '../../protocol/base/maps.ts';
import type { LogFiles } from '../sessions/ports.ts';
import { controllerNodeLimits } from './limits.ts';

export interface StoredLogs extends LogFiles {
  /** The whole log of a lease, UTF-8; undefined where there is none, or a longer one. */
  bytes(lease: string, bytesMax: number): Promise<Uint8Array | undefined>;
  /** Whether it says that a part is missing which its worker has. */
  isCut(lease: string): Promise<boolean>;
  /** Puts a log that its worker said in the place of the one that is stored. */
  replace(lease: string, said: AsyncIterable<Uint8Array>): Promise<void>;
  /**
   * Removes what a crash left of a log that was being replaced and, where there are more logs than are kept, those that were written longest
   * ago, with their times; where they have more bytes, only those that are longer than their share. Resolves with the number of logs that went.
   */
  trim(signal: AbortSignal): Promise<number>;
}

export const timesFileOf = (dir: string, lease: string): string => join(dir, `${lease}.times`);

/** Log files of builds in a folder that only this user can read: `<lease>.log`, and times of their lines in `<lease>.times`. */
export function openLogFiles(dir: string): StoredLogs {
  const fileOf = (lease: string): string => join(dir, `${lease}.log`);
  /** Leases of which files are being written, and how many: a log may be begun again before the one before has closed. */
  const writing = new Counts();
  let made: Promise<unknown> | undefined;
  const makeFolder = () => {
    made ??= mkdir(dir, { recursive: true, mode: 0o700 }).catch((error) => {
      made = undefined;
      throw error;
    });
    return made;
  };
  async function* read(lease: string): AsyncGenerator<string> {
    // In pieces: many may ask at once and read nothing.
    const { logReadBytes: highWaterMark } = controllerNodeLimits;
    const stream = createReadStream(fileOf(lease), { encoding: 'utf8', highWaterMark });
    try {
      for await (const text of stream) yield text;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return {
    async create(lease) {
      await makeFolder();
      const output = createWriteStream(fileOf(lease), { mode: 0o600 });
      writing.add(lease, 1);
      output.once('close', () => writing.add(lease, -1));
      // A full disk costs the stored log; followers still get theirs.
      output.on('error', () => output.destroy());
      return {
        write: (text) => void output.write(text),
        end: () => new Promise((resolve) => output.end(() => resolve())),
      };
    },
    read,
    async keepTimes(lease, times) {
      await makeFolder();
      // A few bytes: a thread that writes them costs six times as much.
      writeFileSync(timesFileOf(dir, lease), times, { mode: 0o600 });
    },
    times: (lease) => readFile(timesFileOf(dir, lease), 'utf8').catch(() => undefined),
    async bytes(lease, bytesMax) {
      const found = await stat(fileOf(lease)).catch(() => undefined);
      if (found === undefined || found.size > bytesMax) return undefined;
      return readFile(fileOf(lease)).catch(() => undefined);
    },
    async isCut(lease) {
      let end = '';
      for await (const text of read(lease)) {
        if (logCutIn(end + text) === 'missing') return true;
        end = text.slice(-noteCharsMax);
      }
      return false;
    },
    async replace(lease, said) {
      await makeFolder();
      const whole = `${fileOf(lease)}.whole`;
      writing.add(lease, 1);
      try {
        await pipeline(said, storedText, createWriteStream(whole, { mode: 0o600 }));
        await rename(whole, fileOf(lease));
      } finally {
        await rm(whole, { force: true });
        writing.add(lease, -1);
      }
    },
    async trim(signal) {
      const { logsKeptMax, logsKeptBytesMax } = controllerNodeLimits;
      const kept = (await keptLogs(dir, writing, signal)).toSorted((a, b) => b.at - a.at);
      // Only many logs take the place of one that takes no more than its share: an operator may write as much as a log holds.
      const isLong = ({ bytes }: KeptLog) => bytes > logsKeptBytesMax / logsKeptMax;
      const counted = kept.slice(0, logsKeptMax);
      let bytes = counted.reduce((sum, one) => sum + (isLong(one) ? 0 : one.bytes), 0);
      const over = counted.filter((one) => {
        if (!isLong(one)) return false;
        bytes += one.bytes;
        return bytes > logsKeptBytesMax;
      });
      let gone = 0;
      for (const one of [...over, ...kept.slice(logsKeptMax)]) {
        if (signal.aborted) break;
        if (writing.of(one.lease) > 0) continue;
        for (const file of one.files) await rm(join(dir, file), { force: true });
        gone++;
      }
      return gone;
    },
  };
}

interface KeptLog {
  lease: string;
  files: string[];
  bytes: number;
  /** When one of them was last written. */
  at: number;
}

/** The logs of a folder, in which nothing else is left of those that are not being written. */
async function keptLogs(dir: string, writing: Counts, signal: AbortSignal): Promise<KeptLog[]> {
  const kept = new Map<string, KeptLog>();
  for (const file of await readdir(dir).catch(() => [])) {
    if (signal.aborted) break;
    const [, lease, kind] = /^([^.]+)\.(log|times|log\.whole)$/.exec(file) ?? [];
    if (lease === undefined) continue;
    if (kind === 'log.whole') {
      if (writing.of(lease) === 0) await rm(join(dir, file), { force: true });
      continue;
    }
    const found = await stat(join(dir, file)).catch(() => undefined);
    if (found === undefined) continue;
    const one = kept.get(lease) ?? { lease, files: [], bytes: 0, at: 0 };
    one.files.push(file);
    one.bytes += found.size;
    one.at = Math.max(one.at, found.mtimeMs);
    kept.set(lease, one);
  }
  return [...kept.values()];
}

/** A note of a log that is cut is shorter. */
const noteCharsMax = 120;

/** Bytes that a worker said, as the log of a session is stored. */
async function* storedText(said: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const lines = new LineEscaper(limits.logLineBytesMax, { colours: true });
  // With the note of a log that reached its limit. A worker may name any file as its log.
  let left = limits.logBytesMax + noteCharsMax;
  for await (const chunk of said) {
    yield lines.pushText(decoder.decode(chunk.subarray(0, left), { stream: true }));
    left -= chunk.length;
    if (left > 0) continue;
    yield `${lines.endText()}${limitNote}\n`;
    return;
  }
  yield lines.pushText(decoder.decode()) + lines.endText();
}
