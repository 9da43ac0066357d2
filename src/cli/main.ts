import { CommanderError } from 'commander';
import { QuorateError } from '../core/errors.ts';
import { asQuorateError, errorJson, errorText, exitOfError } from './errors.ts';
import { type Exit, exits } from './exit-codes.ts';
import { watchInterrupts } from './interrupt.ts';
import { createProgram } from './program.ts';

/** A reader that does not take what was printed gets this long. */
const lingerMs = 500;

function failed(error: unknown): Exit {
  // Help and version end by an error of commander's; so does help that was shown for want of a command.
  if (error instanceof CommanderError && (error.exitCode === 0 || error.code === 'commander.help')) {
    return exits.done;
  }
  const early = interrupts.exit();
  if (early !== undefined) {
    tellEarly(error);
    return early;
  }
  const known = asQuorateError(error);
  tell(known);
  if (process.env.QUORATE_DEBUG) console.error(error);
  return exitOfError(known);
}

let told = false;

/** Why it ended early, once. A command may know better than we what its interruption means. */
function tellEarly(error?: unknown): void {
  const own = error instanceof QuorateError && error.code === 'CLI_INTERRUPTED' ? error : undefined;
  const why = own ?? interrupts.error();
  if (why === undefined || told) return;
  told = true;
  if (interrupts.lost()) process.stderr.write(errorText(why));
  else tell(why);
}

function tell(error: QuorateError): void {
  const { argv } = process;
  const end = argv.indexOf('--');
  if (argv.slice(2, end === -1 ? undefined : end).includes('--json')) process.stdout.write(errorJson(error));
  else process.stderr.write(errorText(error));
}

const interrupts = watchInterrupts(tellEarly);
let exit: Exit = exits.done;
try {
  await createProgram(interrupts.signal, (given) => {
    exit = given;
  }).parseAsync();
} catch (error) {
  exit = failed(error);
}
interrupts.dispose();
// The command has closed what it opened; timers of the peer-to-peer stack would hold the process for two seconds more.
const written = [process.stdout, process.stderr]
  .filter(({ writableLength }) => writableLength > 0)
  .map((stream) => new Promise((done) => stream.write('', done)));
// A write that failed is told a moment later.
await new Promise(setImmediate);
await Promise.race([Promise.all(written), new Promise((done) => setTimeout(done, lingerMs))]);
if (interrupts.lost()) {
  tellEarly();
  exit = exits.cannot;
}
process.exit(exit);
