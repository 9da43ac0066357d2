import { parentPort, workerData } from 'node:worker_threads';
import { codeOf, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import type { Answer } from './question.ts';

/** In a thread: answers the one question that it was started with (`askThread`). */
export async function answerAsked<Q, T>(work: (question: Q) => T | Promise<T>): Promise<void> {
  let answer: Answer<T>;
  try {
    answer = { ok: true, found: await work(workerData as Q) };
  } catch (error) {
    const hint = error instanceof QuorateError ? error.hint : undefined;
    answer = { ok: false, code: codeOf(error), message: messageOf(error), hint };
  }
  parentPort?.postMessage(answer);
}
