import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { Reporter, TestModule, Vitest } from 'vitest/node';

const notExecuted = join(import.meta.dirname, '..', '..', 'scripts', 'not-executed.js');

/**
 * Names each test that was skipped, at the end, and after a run of all files what this machine cannot execute, so that nobody
 * takes a run for more than it was.
 */
export class Skipped implements Reporter {
  #vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    // With tests asked for by name it is plain that the others do not run.
    if (this.#vitest?.config.testNamePattern !== undefined) return;
    const names = modules.flatMap(({ relativeModuleId, children }) =>
      [...children.allTests()]
        .filter((test) => !['passed', 'failed'].includes(test.result().state))
        .map((test) => `${relativeModuleId} > ${test.fullName}`),
    );
    for (const name of names) process.stdout.write(`skipped: ${name}\n`);
    if (names.length > 0) process.stdout.write(`${names.length} skipped\n`);
    // The files that were asked for: vitest says it to nobody else.
    if (this.#vitest !== undefined && Reflect.get(this.#vitest, 'filenamePattern') === undefined)
      execFileSync(process.execPath, [notExecuted], { stdio: ['ignore', 'inherit', 'inherit'] });
  }
}
