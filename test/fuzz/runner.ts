import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Checked } from './check.ts';
import type { Order } from './child.ts';

export interface RunOptions {
  /** Path of a module that exports `targets`. */
  module: string;
  /** Of the one to run. */
  name: string;
  seed: number;
  ms: number;
  path?: string | undefined;
  input?: string | undefined;
  /** For files of the run. */
  dir: string;
  heapMiB?: number;
  rssMiBMax?: number;
  /** An input that is decoded for longer than this is taken for one that never ends. */
  stuckMsMax?: number;
}

const lookMs = 250;

/** Runs one target in a process of its own. Never throws for what it finds. */
export async function runTarget(options: RunOptions): Promise<Checked> {
  const {
    module,
    name,
    seed,
    ms,
    path,
    input,
    dir,
    heapMiB = 256,
    rssMiBMax = 768,
    stuckMsMax = 20_000,
  } = options;
  const current = join(dir, `${name}.current`);
  const result = join(dir, `${name}.result`);
  const order: Order = { module, name, seed, ms, path, input, rssMiBMax, current, result };
  const child = spawn(
    process.execPath,
    [
      ...['--disable-warning=ExperimentalWarning', `--max-old-space-size=${heapMiB}`],
      ...[join(import.meta.dirname, 'child.ts'), JSON.stringify(order)],
    ],
    // The programs are read once for all targets.
    { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, NODE_COMPILE_CACHE: join(dir, 'cache') } },
  );
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString('utf8')).slice(-4000);
  });
  let stuck = false;
  const watch = watchFile(current, stuckMsMax, () => {
    stuck = true;
    child.kill('SIGKILL');
  });
  const ended = await new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(signal ?? `code ${code}`));
  });
  clearInterval(watch);
  const text = await readFile(result, 'utf8').catch(() => undefined);
  if (text !== undefined) return JSON.parse(text);
  const { count, input: last } = await readCurrent(current);
  const why = /heap out of memory|Allocation failed|invalid array length Allocation/i.test(complaint)
    ? `the heap went over ${heapMiB} MiB`
    : `the process ended with ${ended}: ${complaint.trim().slice(0, 1500)}`;
  const what = stuck ? `no end after ${stuckMsMax / 1000} s` : why;
  return { outcomes: {}, inputs: count, finding: { what, input: last, path: '' } };
}

/** Calls back once when one input stays the current one for too long. */
function watchFile(file: string, msMax: number, tooLong: () => void): NodeJS.Timeout {
  let seen = -1;
  let since = performance.now();
  const timer = setInterval(async () => {
    const { count } = await readCurrent(file);
    if (count !== seen) since = performance.now();
    seen = count;
    if (count === 0 || performance.now() - since <= msMax) return;
    clearInterval(timer);
    tooLong();
  }, lookMs);
  return timer;
}

async function readCurrent(file: string): Promise<{ count: number; input: string }> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const end = text.indexOf('\n');
  return { count: Number(text.slice(0, Math.max(0, end))), input: text.slice(end + 1) };
}
