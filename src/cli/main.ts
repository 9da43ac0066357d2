import { QuorateError } from '../protocol/base/errors.ts';
import { asksForJson, asQuorateError, errorJson, errorText, isAnswered } from '../terminal/errors.ts';
import { type Exit, exitOf, exits } from '../terminal/exit-codes.ts';
import { watchInterrupts } from './interrupt.ts';
import { createProgram } from './program.ts';

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
  if (interrupts.lost()) process.stderr.write(errorText(why));
  else tell(why);
}

function tell(error: QuorateError): void {
  if (asksForJson(process.argv.slice(2))) process.stdout.write(errorJson(error));
  else process.stderr.write(errorText(error));
}

const interrupts = watchInterrupts(tellEarly);
let exit: Exit = exits.done;
try {
  await createProgram(interrupts.signal, (given) => {
    // A command that was stopped does not know by what.
    exit = given === exits.interrupted ? (interrupts.exit() ?? given) : given;
  }).parseAsync();
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
