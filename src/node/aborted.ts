import { QuorateError } from '../protocol/base/errors.ts';

/** @throws TIMED_OUT once the signal is aborted by a time, else its reason. `what` took longer: "joining" */
export function throwIfAborted(signal: AbortSignal, what: string): void {
  if (!signal.aborted) return;
  const { reason } = signal;
  if (!(reason instanceof Error && reason.name === 'TimeoutError')) throw reason;
  throw new QuorateError('TIMED_OUT', `${what} took longer than it may`, {
    hint: 'Try again; what the controller prints says whether it is overloaded.',
    cause: reason,
  });
}
