import { exits } from './exit-codes.ts';

/** From the first Ctrl-C to the end of the process, whatever hangs. */
const closingMsMax = 2_500;

/**
 * The first SIGINT, SIGTERM or SIGHUP aborts the signal, so that the command closes what it opened; a second one, or a
 * closing that takes too long, ends the process. A reader of our output that went away counts as a quiet first one.
 */
export function watchInterrupts(): { signal: AbortSignal; dispose(): void } {
  const controller = new AbortController();
  const stop = (reason: 'interrupted' | 'unread') => {
    if (controller.signal.aborted) {
      if (reason === 'interrupted') process.exit(exits.interrupted);
      return;
    }
    process.exitCode = reason === 'unread' ? exits.done : exits.interrupted;
    setTimeout(() => process.exit(), closingMsMax).unref();
    controller.abort(new DOMException(reason, 'AbortError'));
  };
  const interrupted = () => stop('interrupted');
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, interrupted);
  const failed = (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') stop('unread');
    else throw error;
  };
  process.stdout.on('error', failed);
  process.stderr.on('error', failed);
  return {
    signal: controller.signal,
    dispose: () => {
      for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(name, interrupted);
    },
  };
}
