import { QuorateError } from '../protocol/base/errors.ts';
import { type Exit, exits } from '../terminal/exit-codes.ts';

/** Longest time from the first Ctrl-C to the end of the process. */
const closingMsMax = 2_500;

export interface Interrupts {
  /** Aborted when the command has to end early. */
  signal: AbortSignal;
  /** The reason; undefined while not interrupted, or when the output is closed. */
  error(): QuorateError | undefined;
  /** Exit code of an interrupted command, or of any command whose output could not be written. */
  exit(): Exit | undefined;
  /** Whether output was lost. */
  lost(): boolean;
  dispose(): void;
}

type Reason = 'interrupted' | 'unread' | 'lost';
const exitFor: Record<Reason, Exit> = {
  interrupted: exits.interrupted,
  unread: exits.unread,
  lost: exits.cannot,
};

/**
 * The first SIGINT, SIGTERM or SIGHUP aborts the signal, and the command closes what it opened. A second one, or a closing
 * that takes longer than `closingMsMax`, ends the process after a call of `late`. A closed or unwritable output counts as an
 * interruption.
 */
export function watchInterrupts(late: () => void): Interrupts {
  const controller = new AbortController();
  let reason: Reason | undefined;
  let error: QuorateError | undefined;
  const stop = (why: Reason) => {
    if (reason !== undefined) {
      if (why === 'interrupted') process.exit(exits.interrupted);
      return;
    }
    reason = why;
    setTimeout(() => {
      late();
      process.exit(exitFor[why]);
    }, closingMsMax).unref();
    controller.abort(new DOMException(why, 'AbortError'));
  };
  const interrupted = () => {
    error ??= new QuorateError('CLI_INTERRUPTED', 'stopped before it was done', {
      hint: 'No partial result is left: run it again.',
    });
    stop('interrupted');
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, interrupted);
  const failed = (cause: NodeJS.ErrnoException) => {
    // A pipe whose reader closed it, or a closed terminal.
    if (cause.code === 'EPIPE' || cause.code === 'EIO') return stop('unread');
    error ??= new QuorateError('CLI_OUTPUT_LOST', `standard output cannot be written: ${cause.message}`, {
      hint: 'Free space for the output, or redirect it. The command may have taken effect.',
      cause,
    });
    stop('lost');
  };
  process.stdout.on('error', failed);
  // Errors of standard error cannot be reported.
  process.stderr.on('error', (cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EPIPE' || cause.code === 'EIO') stop('unread');
  });
  return {
    signal: controller.signal,
    error: () => error,
    exit: () => (reason === undefined ? undefined : exitFor[reason]),
    lost: () => reason === 'lost',
    dispose: () => {
      for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(name, interrupted);
    },
  };
}
