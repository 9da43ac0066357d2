import { flushCompileCache } from 'node:module';
import { relative } from 'node:path';
import { type RunnerTask, type RunnerTestFile, TestRunner } from 'vitest';
import { mallocLimits } from './memory.ts';
import { lackFor } from './needs.ts';

// Node and the C library have read them (vitest.config.ts). Programs that tests start have a cache where their tests give them one.
for (const name of ['NODE_COMPILE_CACHE', ...Object.keys(mallocLimits)]) delete process.env[name];

const clocks = () => ({
  setTimeout,
  clearTimeout,
  setInterval,
  clearInterval,
  setImmediate,
  Date,
  now: Date.now,
  performanceNow: performance.now,
});
const own = clocks();

/**
 * Skips the tests of a file that needs what this account does not have, each by its name, and says once what that is. Ends the run
 * where a file leaves a faked clock: files share a process, and those after it would wait without end.
 */
export default class Runner extends TestRunner {
  override onAfterRunFiles(files?: RunnerTestFile[]): void {
    super.onAfterRunFiles();
    // At the signal by which Vitest ends a process Node writes nothing of it.
    flushCompileCache();
    const now = clocks();
    const left = (Object.keys(own) as (keyof typeof own)[]).filter((name) => now[name] !== own[name]);
    if (left.length > 0) throw new Error(`${files?.[0]?.name} leaves ${left.join(', ')} faked`);
  }

  onCollected(files: RunnerTestFile[]): void {
    for (const file of files) {
      const lack = lackFor(relative(this.config.root, file.filepath));
      if (lack === undefined) continue;
      process.stderr.write(`skipped: ${file.name}: ${lack}\n`);
      skip(file);
    }
  }
}

function skip(task: RunnerTask): void {
  task.mode = 'skip';
  if (task.type === 'suite') for (const inner of task.tasks) skip(inner);
}
