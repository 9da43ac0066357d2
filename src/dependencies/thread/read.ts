import { QuorateError } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { oneByOne } from '../../protocol/base/one-by-one.ts';
import type { Entry, LockSources } from '../../protocol/lock-formats/index.ts';
import { threadLimits } from '../limits.ts';
import { askThread, ThreadOver, threadFile } from './ask.ts';
import { type Found, type Question, read } from './question.ts';

const file = threadFile(import.meta.url, 'lock-thread');

/**
 * `readLocks` in a thread of its own, so that a lock file of strangers stops nothing else, with limits in time and memory; without one
 * where the files are small.
 * @throws what `readLocks` throws; LOCK_TOO_LARGE beyond the limits; the signal's reason
 */
export async function readLocksInThread(sources: LockSources, signal: AbortSignal): Promise<Entry[]> {
  return (await inTurn({ sources }, signal)).entries;
}

/** As `readLocksInThread` for `checkIndex`. @throws also what `decodeIndex` and `checkIndex` throw */
export const checkIndexInThread = (
  bytes: Uint8Array,
  sources: LockSources,
  signal: AbortSignal,
): Promise<Required<Found>> => inTurn({ sources, index: bytes }, signal);

/** One thread at a time, whatever number of builds begins at once: its memory is not that of a build. */
const oneThread = oneByOne();

const inTurn = <T extends Found>(question: Question, signal: AbortSignal): Promise<T> =>
  oneThread(() => ask<T>(question, signal));

async function ask<T extends Found>(question: Question, signal: AbortSignal): Promise<T> {
  const { seconds, memoryMiB, inlineBytesMax } = threadLimits;
  signal.throwIfAborted();
  if (bytesOf(question) <= inlineBytesMax) return read(question) as T;
  try {
    return await askThread<T>(file, question, { signal, seconds, memoryMiB });
  } catch (error) {
    throw error instanceof ThreadOver ? tooLarge(question, error) : error;
  }
}

const bytesOf = ({ sources: { files }, index }: Question): number =>
  [...files.values()].reduce((sum, { length }) => sum + length, index?.length ?? 0);

function tooLarge({ sources: { locks } }: Question, cause: ThreadOver): QuorateError {
  const names = locks.map((path) => escapeLine(path, 200)).join(', ');
  return new QuorateError('LOCK_TOO_LARGE', `reading ${names} takes ${cause.message}`, {
    cause,
    hint: 'Have the tool that wrote the lock file write it again, or split the job.',
  });
}
