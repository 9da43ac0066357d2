import { CommanderError } from 'commander';
import { asQuorateError, errorJson, errorText, exitOfError } from './errors.ts';
import { type Exit, exits } from './exit-codes.ts';
import { watchInterrupts } from './interrupt.ts';
import { createProgram } from './program.ts';

/** A reader that does not take what was printed gets this long. */
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
dispose();
// The command has closed what it opened; timers of the peer-to-peer stack would hold the process for two seconds more.
const flushed = [process.stdout, process.stderr].map(
  (stream) => new Promise((done) => stream.write('', done)),
);
setTimeout(() => process.exit(), lingerMs).unref();
await Promise.all(flushed);
process.exit();
