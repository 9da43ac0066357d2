import { QuorateError } from '../protocol/base/errors.ts';
import { type Exit, exits } from '../terminal/exit-codes.ts';

/** Longest time from the first Ctrl-C to the end of the process. */
const closingMsMax = 2_500;

const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type Reason = 'interrupted' | 'unread' | 'lost';
const exitFor: Record<Reason, Exit> = {
  interrupted: exits.interrupted,
  unread: exits.unread,
  lost: exits.cannot,
};

/**
 * The first SIGINT, SIGTERM or SIGHUP, and an output that is closed or unwritable, abort the signal. A second one ends the process, as does
 * a command that does not end within `closingMsMax`, after a call of `late`.
 */
export function watchInterrupts(late: () => void) {
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
  for (const name of names) process.on(name, interrupted);
  const failed = (cause: NodeJS.ErrnoException) => {
    if (isUnread(cause)) return stop('unread');
    error ??= new QuorateError('CLI_OUTPUT_LOST', `standard output cannot be written: ${cause.message}`, {
      hint: 'Free space for the output, or redirect it. The command may have taken effect.',
      cause,
    });
    stop('lost');
  };
  process.stdout.on('error', failed);
  // Errors of standard error cannot be reported.
  process.stderr.on('error', (cause: NodeJS.ErrnoException) => {
    if (isUnread(cause)) stop('unread');
  });
  return {
    signal: controller.signal,
    /** The reason; undefined while not interrupted, or when the output is closed. */
    error: () => error,
    /** Exit code of an interrupted command, or of any command whose output could not be written. */
    exit: () => (reason === undefined ? undefined : exitFor[reason]),
    /** Whether output was lost. */
    lost: () => reason === 'lost',
    dispose() {
      for (const name of names) process.off(name, interrupted);
    },
  };
}

/** A pipe whose reader closed it, or a closed terminal. */
const isUnread = ({ code }: NodeJS.ErrnoException): boolean => code === 'EPIPE' || code === 'EIO';
