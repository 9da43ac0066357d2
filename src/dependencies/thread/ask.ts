import { Worker } from 'node:worker_threads';
import { reportedError } from '../../protocol/base/errors.ts';
import type { Answer } from './question.ts';

/** A thread had no answer within its limits. */
export class ThreadOver extends Error {}

/** Next to the module that asks; with another ending in what a package has, where all files lie in one folder. */
export const threadFile = (module: string, name: string): URL =>
  new URL(`./${name}${module.endsWith('.ts') ? '.ts' : '.js'}`, module);

/** Asks a thread of its own one question (`answer.ts`). @throws the error of the answer, ThreadOver, the signal's reason */
export async function askThread<T>(
  file: URL,
  question: unknown,
  { signal, seconds, memoryMiB }: { signal: AbortSignal; seconds: number; memoryMiB: number },
): Promise<T> {
  signal.throwIfAborted();
  const time = AbortSignal.timeout(seconds * 1000);
  const over = AbortSignal.any([signal, time]);
  const thread = new Worker(file, {
    workerData: question,
    // Reading the host's own environment takes the YAML library a fifth of its time.
    env: {},
    stdin: false,
    execArgv: ['--disable-warning=ExperimentalWarning'],
    resourceLimits: { maxOldGenerationSizeMb: memoryMiB },
  });
  const stop = () => void thread.terminate();
  over.addEventListener('abort', stop, { once: true });
  try {
    const answer = await new Promise<Answer<T>>((resolve, reject) => {
      thread.once('message', resolve);
      thread.once('error', reject);
      thread.once('exit', () => reject(new Error('the thread ended without an answer')));
    });
    if (answer.ok) return answer.found;
    throw reportedError(answer.code, answer.message, { hint: answer.hint });
  } catch (cause) {
    signal.throwIfAborted();
    if (time.aborted) throw new ThreadOver(`more than ${seconds} s`, { cause });
    if (isOutOfMemory(cause)) throw new ThreadOver(`more than ${memoryMiB} MiB of memory`, { cause });
    throw cause;
  } finally {
    over.removeEventListener('abort', stop);
    await thread.terminate();
  }
}

const isOutOfMemory = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
