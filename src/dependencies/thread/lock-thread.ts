import { parentPort, workerData } from 'node:worker_threads';
import { codeOf, messageOf, QuorateError } from '../../core/errors.ts';
import type { Answer, Question } from './messages.ts';
import { read } from './question.ts';

/** The thread that lock files are read in: one question, one answer. */
function answer(question: Question): Answer {
  try {
    return { ok: true, found: read(question) };
  } catch (error) {
    const hint = error instanceof QuorateError ? error.hint : undefined;
    return { ok: false, code: codeOf(error), message: messageOf(error), hint };
  }
}

parentPort?.postMessage(answer(workerData as Question));
