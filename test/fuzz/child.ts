// One target in a process of its own, so that an endless loop and memory without end are findings too. Started by runner.ts.
import { ftruncateSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { check } from './check.ts';
import { judge } from './judge.ts';
import { type AnyTarget, type Input, readBack, written } from './target.ts';

export interface Order {
  /** Path of a module that exports `targets`. */
  module: string;
  name: string;
  seed: number;
  ms: number;
  path?: string | undefined;
  /** One input instead of many. */
  input?: string | undefined;
  rssMiBMax: number;
  /** Where the input under way is written down, and at the end the result. */
  current: string;
  result: string;
}

const order: Order = JSON.parse(process.argv[2] ?? '');
const loaded: { targets: readonly AnyTarget[] } = await import(pathToFileURL(order.module).href);
const target = loaded.targets.find(({ name }) => name === order.name);
if (target === undefined) throw new Error(`there is no target ${order.name}`);

const file = openSync(order.current, 'w');
let count = 0;
let latest = '';
/** A process that dies cannot say what it died of: whoever started it reads it here. */
function before(input: Input): void {
  count += 1;
  latest = written(input);
  const text = Buffer.from(`${count}\n${latest}`);
  ftruncateSync(file, 0);
  writeSync(file, text, 0, text.length, 0);
}

let stray: string | undefined;
const caught = (error: unknown): void => {
  stray ??= `nobody handles: ${error instanceof Error ? error.stack : String(error)}`;
};
process.on('unhandledRejection', caught);
process.on('uncaughtException', caught);

async function after(): Promise<string | undefined> {
  // Not before all that was to happen at once has happened are rejections known as nobody's.
  await setImmediate();
  const found = stray;
  stray = undefined;
  if (found !== undefined) return found;
  // Of this program alone: what getrusage(2) tells includes whoever started it.
  const [, peakKiB] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1')) ?? [];
  const rssMiB = Number(peakKiB) / 1024;
  if (rssMiB <= order.rssMiBMax) return undefined;
  // A process that has grown stays large: a smaller input would be blamed for what this one did.
  const what = `the process has ${Math.round(rssMiB)} MiB`;
  writeFileSync(
    order.result,
    JSON.stringify({ outcomes: {}, inputs: count, finding: { what, input: latest, path: '' } }),
  );
  return process.exit(0);
}

async function one(text: string) {
  if (target === undefined) throw new Error('assertion failed: the target is there');
  await target.seeds();
  const input = readBack(text);
  before(input);
  const outcome = await judge(target, input);
  const what = outcome.startsWith('!') ? outcome.slice(2) : await after();
  return {
    outcomes: what === undefined ? { [outcome]: 1 } : {},
    inputs: 1,
    finding: what === undefined ? undefined : { what, input: text, path: '' },
  };
}

const { seed, ms: msMax, path } = order;
const checked = await (order.input === undefined
  ? check(target, { seed, msMax, path, before, after })
  : one(order.input));
writeFileSync(order.result, JSON.stringify(checked));
await target.close?.();
process.exit(0);
