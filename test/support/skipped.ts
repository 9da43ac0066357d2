import type { Reporter, TestModule, Vitest } from 'vitest/node';

/** Names each test that was skipped, at the end, so that nobody takes a run for more than it was. */
export class Skipped implements Reporter {
  #isPart = false;

  onInit({ config }: Vitest): void {
    this.#isPart = config.testNamePattern !== undefined;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    // With tests asked for by name it is plain that the others do not run.
    if (this.#isPart) return;
    const names = modules.flatMap(({ relativeModuleId, children }) =>
      [...children.allTests()]
        .filter((test) => !['passed', 'failed'].includes(test.result().state))
        .map((test) => `${relativeModuleId} > ${test.fullName}`),
    );
    for (const name of names) process.stdout.write(`skipped: ${name}\n`);
    if (names.length > 0) process.stdout.write(`${names.length} skipped\n`);
  }
}
