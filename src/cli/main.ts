import { CommanderError } from 'commander';
import { asQuorateError, errorJson, errorText, exitOfError } from './errors.ts';
import { type Exit, exits } from './exit-codes.ts';
import { watchInterrupts } from './interrupt.ts';
import { createProgram } from './program.ts';

/** What may still hold the process after its command has ended (sockets of a closing node) gets this long. */
const lingerMs = 500;

function failed(error: unknown, signal: AbortSignal): Exit {
  // Help and version end by an error of commander's; so does help that was shown for want of a command.
  if (error instanceof CommanderError && (error.exitCode === 0 || error.code === 'commander.help')) {
    return exits.done;
  }
  if (signal.aborted) {
    return signal.reason.message === 'unread' ? exits.done : exits.interrupted;
  }
  const known = asQuorateError(error);
  const { argv } = process;
  const end = argv.indexOf('--');
  if (argv.slice(2, end === -1 ? undefined : end).includes('--json')) process.stdout.write(errorJson(known));
  else process.stderr.write(errorText(known));
  if (process.env.QUORATE_DEBUG) console.error(error);
  return exitOfError(known);
}

const { signal, dispose } = watchInterrupts();
try {
  await createProgram(signal, (exit) => {
    process.exitCode = exit;
  }).parseAsync();
} catch (error) {
  process.exitCode = failed(error, signal);
}
setTimeout(() => process.exit(), lingerMs).unref();
dispose();
