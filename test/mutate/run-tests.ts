import { execFile, spawn } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Copy } from './copy.ts';
import { type Order, orderVariable } from './order.ts';

export interface Ran {
  readonly passed: boolean;
  /** Ended because it took too long. */
  readonly late: boolean;
  readonly ms: number;
  /** Files with a test that failed, or that could not be loaded. */
  readonly failed: readonly string[];
  /** The end of what it wrote. */
  readonly said: string;
}

interface Report {
  readonly testResults?: readonly { readonly name: string; readonly status: string }[];
}

/** Ends a run with all that it started: its process group, and those that inherited its environment. */
function end(pid: number, mark: string): void {
  for (const one of [-pid, ...inheritors(mark)])
    try {
      process.kill(one, 'SIGKILL');
    } catch {
      // It has ended.
    }
}

/** Ids of processes whose environment holds `mark`. */
function inheritors(mark: string): number[] {
  const ids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  return ids.filter((id) => environment(id).includes(mark)).map(Number);
}

function environment(id: string): string {
  try {
    return readFileSync(`/proc/${id}/environ`, 'latin1');
  } catch {
    return '';
  }
}

/** Whether `npm run check` refuses a file for a promise that nobody awaits. */
export function hasFloatingPromise({ checkout }: Copy, path: string, signal: AbortSignal): Promise<boolean> {
  const biome = join(checkout, 'node_modules', '.bin', 'biome');
  const words = ['lint', '--only=nursery/noFloatingPromises', '--diagnostic-level=error', path];
  return new Promise((resolve) => {
    execFile(biome, words, { cwd: checkout, signal }, (error) => resolve(error !== null));
  });
}

/** Runs files of tests of a copy in a process of their own, for at most `msMax`. */
export async function runTests(copy: Copy, order: Order, msMax: number, signal: AbortSignal): Promise<Ran> {
  signal.throwIfAborted();
  const { checkout, temporary } = copy;
  const began = performance.now();
  const [orderFile, resultFile] = ['order.json', 'result.json'].map((name) => join(checkout, '..', name));
  if (orderFile === undefined || resultFile === undefined) throw new Error('two files');
  rmSync(resultFile, { force: true });
  writeFileSync(orderFile, JSON.stringify(order));
  const vitest = join(checkout, 'node_modules', 'vitest', 'vitest.mjs');
  const child = spawn(process.execPath, [vitest, 'run', '--config', 'test/mutate/vitest.config.ts'], {
    cwd: checkout,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: temporary, [orderVariable]: orderFile, QUORATE_MUTATE_RESULT: resultFile },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString('utf8')).slice(-2_000);
    });
  let late = false;
  const endAll = () => end(child.pid ?? 0, `${orderVariable}=${orderFile}\0`);
  const limit = setTimeout(() => {
    late = true;
    endAll();
  }, msMax);
  signal.addEventListener('abort', endAll, { once: true });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', resolve);
  });
  clearTimeout(limit);
  signal.removeEventListener('abort', endAll);
  if (child.pid !== undefined) endAll();
  copy.clear();
  signal.throwIfAborted();
  const ms = Math.round(performance.now() - began);
  return { passed: code === 0, late, ms, failed: failedIn(resultFile, checkout), said };
}

function failedIn(file: string, checkout: string): string[] {
  try {
    const report: Report = JSON.parse(readFileSync(file, 'utf8'));
    const failed = (report.testResults ?? []).filter(({ status }) => status === 'failed');
    return failed.map(({ name }) => relative(checkout, name));
  } catch {
    // It was ended, or ended, before it could tell.
    return [];
  }
}
