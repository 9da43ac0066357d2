import { QuorateError } from '../protocol/base/errors.ts';

/** Throws where the signal is aborted: `TIMED_OUT` where a time was up, else the reason. `what` took longer: "joining". */
export function throwIfAborted(signal: AbortSignal, what: string): void {
  if (!signal.aborted) return;
  const { reason } = signal;
  if (!(reason instanceof Error && reason.name === 'TimeoutError')) throw reason;
  throw new QuorateError('TIMED_OUT', `${what} took longer than it may`, {
    hint: 'Try again; what the controller prints says whether it is overloaded.',
    cause: reason,
  });
}
