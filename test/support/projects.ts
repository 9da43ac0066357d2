import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { heapFlags } from './memory.ts';

const root = join(import.meta.dirname, '..', '..');

/** Of every project, and of `npm run mutate`. */
export const common = {
  environment: 'node' as const,
  pool: 'forks' as const,
  execArgv: [
    '--disable-warning=ExperimentalWarning',
    '--expose-gc',
    ...heapFlags,
    `--import=${join(import.meta.dirname, 'untold-imports.ts')}`,
  ],
  globalSetup: ['test/support/make-program.ts'],
  setupFiles: ['test/support/equal-bytes.ts', 'test/e2e/support/after-file.ts'],
  // Leaves out what needs root, where the tests are run by somebody else.
  runner: './test/support/runner.ts',
};

/** Timers or calls of the whole process are counted, or all its clocks are set by hand. */
const takesClocks = (file: string): boolean =>
  /getTimerCount\(|useFakeTimers\(\)|waitsOf\(|spyOn\((timers|AbortSignal|Buffer|globalThis|performance),/.test(
    readFileSync(join(root, file), 'utf8'),
  );

/**
 * Files with a process to themselves: they measure it, or a timer of a file before them would count as one of theirs. All other files share one with those before them until it has
 * grown (pool.ts), since each import of the whole runtime takes a second of a processor. What a test opens it closes, by `onTestFinished`, since a hook at the top
 * of a module that tests share runs for the first of them only; what a file opens, its end closes (test/e2e/support/after-file.ts).
 */
export const alone = [
  'test/attacks/worker/log-memory.test.ts',
  'test/mesh/backpressure.test.ts',
  'test/mesh/bandwidth.test.ts',
  'test/mesh/stream-channel.test.ts',
];

/** They share processes with each other only: of the others something may still run when a file has ended. */
export const clocks = globSync('test/**/*.test.ts', { cwd: root, exclude: alone }).filter(takesClocks);
