import { QuorateError } from '../core/errors.ts';
import { type Exit, exits } from './exit-codes.ts';

/** From the first Ctrl-C to the end of the process, whatever hangs. */
const closingMsMax = 2_500;

export interface Interrupts {
  /** Aborted when the command has to end early. */
  signal: AbortSignal;
  /** Why; undefined as long as it may go on, or where nobody is there to be told. */
  error(): QuorateError | undefined;
  /** Of a command that ended early for it; with an output that cannot be written also of one that did not. */
  exit(): Exit | undefined;
  /** The output was lost: whatever the command did, nobody can know. */
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
 * The first SIGINT, SIGTERM or SIGHUP aborts the signal, so that the command closes what it opened; a second one, or a
 * closing that takes too long, ends the process (`late` is called first). So do a reader of our output that went away,
 * and an output that cannot be written.
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
      hint: 'Nothing half done is left: run it again.',
    });
    stop('interrupted');
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, interrupted);
  const failed = (cause: NodeJS.ErrnoException) => {
    // A pipe nobody reads, a terminal that was closed.
    if (cause.code === 'EPIPE' || cause.code === 'EIO') return stop('unread');
    error ??= new QuorateError('CLI_OUTPUT_LOST', `standard output cannot be written: ${cause.message}`, {
      hint: 'Make room where it goes, or send it elsewhere; what the command did may be done all the same.',
      cause,
    });
    stop('lost');
  };
  process.stdout.on('error', failed);
  // What cannot be said there can be said nowhere.
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
