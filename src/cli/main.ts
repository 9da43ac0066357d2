import { QuorateError } from '../protocol/base/errors.ts';
import { boundHeap } from '../terminal/bounded-heap.ts';
import { isDaemon, writeCompiledCode } from '../terminal/daemon-options.ts';
import { asksForJson, asQuorateError, errorJson, errorText, isAnswered } from '../terminal/errors.ts';
import { type Exit, exitOf, exits } from '../terminal/exit-codes.ts';
import { createProgram } from './program.ts';

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
function watchInterrupts(late: () => void) {
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

/** Longest wait for the output to be written at the end. */
const lingerMs = 500;

function failed(error: unknown): Exit {
  if (isAnswered(error)) return exits.done;
  const early = interrupts.exit();
  if (early !== undefined) {
    tellEarly(error);
    return early;
  }
  const known = asQuorateError(error);
  tell(known);
  if (process.env.QUORATE_DEBUG) console.error(error);
  return exitOf(known.code);
}

let told = false;

/** Prints the reason of an interruption once. The command's own error takes precedence. */
function tellEarly(error?: unknown): void {
  const own = error instanceof QuorateError && error.code === 'CLI_INTERRUPTED' ? error : undefined;
  const why = own ?? interrupts.error();
  if (why === undefined || told) return;
  told = true;
  if (interrupts.lost()) process.stderr.write(errorText(why, process.stderr.columns));
  else tell(why);
}

function tell(error: QuorateError): void {
  if (asksForJson(process.argv.slice(2))) process.stdout.write(errorJson(error));
  else process.stderr.write(errorText(error, process.stderr.columns));
}

const interrupts = watchInterrupts(tellEarly);
let exit: Exit = exits.done;
try {
  await createProgram(interrupts.signal, (given) => {
    // A command that was stopped does not know by what.
    exit = given === exits.interrupted ? (interrupts.exit() ?? given) : given;
  })
    .hook('preAction', (_, command) => {
      if (!isDaemon(command)) return;
      boundHeap();
      writeCompiledCode();
    })
    .parseAsync();
} catch (error) {
  exit = failed(error);
}
interrupts.dispose();
// The command has closed its resources. Timers of the peer-to-peer stack would keep the process for two more seconds.
const written = [process.stdout, process.stderr]
  .filter(({ writableLength }) => writableLength > 0)
  .map((stream) => new Promise((done) => stream.write('', done)));
// A failed write is reported in a later turn of the event loop.
await new Promise(setImmediate);
await Promise.race([Promise.all(written), new Promise((done) => setTimeout(done, lingerMs))]);
if (interrupts.lost()) {
  tellEarly();
  exit = exits.cannot;
}
process.exit(exit);
