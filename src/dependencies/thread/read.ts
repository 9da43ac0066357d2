import { Worker } from 'node:worker_threads';
import type { DependencyIndex, Entry, LockSources } from '../../core/dependencies/index.ts';
import { QuorateError, reportedError } from '../../core/errors.ts';
import { escapeLine } from '../../core/escape.ts';
import { threadLimits } from '../limits.ts';
import type { Answer, Found, Question } from './messages.ts';
import { read } from './question.ts';

/** Next to this file; with another ending in what a package has, where all files lie in one folder. */
const threadFile = new URL(
  import.meta.url.endsWith('.ts') ? './lock-thread.ts' : './lock-thread.js',
  import.meta.url,
);

export interface ThreadOptions {
  signal: AbortSignal;
  /** Default: those of `threadLimits`. Tests have smaller ones. */
  seconds?: number;
  memoryMiB?: number;
}

/**
 * `readLocks` in a thread of its own, so that a lock file of strangers stops nothing else, with limits in time and memory; without one
 * where the files are small.
 * @throws what `readLocks` throws; LOCK_TOO_LARGE beyond the limits; the signal's reason
 */
export async function readLocksInThread(sources: LockSources, options: ThreadOptions): Promise<Entry[]> {
  return (await inTurn({ sources }, options)).entries;
}

/**
 * The same of `checkIndex` for the bytes of an index: what lock files demand, and the index that says the same.
 * @throws what `decodeIndex` and `checkIndex` throw; as above
 */
export async function checkIndexInThread(
  bytes: Uint8Array,
  sources: LockSources,
  options: ThreadOptions,
): Promise<{ entries: Entry[]; index: DependencyIndex }> {
  const { entries, index } = await inTurn({ sources, index: bytes }, options);
  if (index === undefined) throw new Error('assertion failed: the thread returns the index that it compares');
  return { entries, index };
}

/** One thread at a time, whatever number of builds begins at once: its memory is not that of a build. */
let last: Promise<unknown> = Promise.resolve();

function inTurn(question: Question, options: ThreadOptions): Promise<Found> {
  const mine = last.then(() => ask(question, options));
  last = mine.catch(() => {});
  return mine;
}

async function ask(question: Question, options: ThreadOptions): Promise<Found> {
  const { signal, seconds = threadLimits.seconds, memoryMiB = threadLimits.memoryMiB } = options;
  signal.throwIfAborted();
  if (bytesOf(question) <= threadLimits.inlineBytesMax) return read(question);
  const time = AbortSignal.timeout(seconds * 1000);
  const over = AbortSignal.any([signal, time]);
  const thread = new Worker(threadFile, {
    workerData: question,
    // Reading the host's own environment takes the YAML library a fifth of its time.
    ...{ env: {}, stdin: false, execArgv: ['--disable-warning=ExperimentalWarning'] },
    resourceLimits: { maxOldGenerationSizeMb: memoryMiB },
  });
  const stop = () => void thread.terminate();
  over.addEventListener('abort', stop, { once: true });
  try {
    const answer = await new Promise<Answer>((resolve, reject) => {
      thread.once('message', resolve);
      thread.once('error', reject);
      thread.once('exit', () => reject(new Error('the thread ended without an answer')));
    });
    if (answer.ok) return answer.found;
    throw reportedError(answer.code, answer.message, answer.hint === undefined ? {} : { hint: answer.hint });
  } catch (error) {
    signal.throwIfAborted();
    if (time.aborted) throw tooLarge(question, `more than ${seconds} s`, error);
    if (isOutOfMemory(error)) throw tooLarge(question, `more than ${memoryMiB} MiB of memory`, error);
    throw error;
  } finally {
    over.removeEventListener('abort', stop);
    await thread.terminate();
  }
}

const bytesOf = ({ sources: { files }, index }: Question): number =>
  [...files.values()].reduce((sum, { length }) => sum + length, index?.length ?? 0);

const isOutOfMemory = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';

function tooLarge({ sources: { locks } }: Question, what: string, cause: unknown): QuorateError {
  const names = locks.map((path) => escapeLine(path, 200)).join(', ');
  return new QuorateError('LOCK_TOO_LARGE', `reading ${names} takes ${what}`, {
    cause,
    hint: 'Have the tool that wrote the lock file write it again, or split the job.',
  });
}
