import { relative } from 'node:path';
import { type RunnerTask, type RunnerTestFile, TestRunner } from 'vitest';
import { lackFor } from './needs.ts';

/** Skips the tests of a file that needs what this account does not have, each by its name, and says once what that is. */
export default class Runner extends TestRunner {
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
