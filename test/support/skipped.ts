import type { Reporter, TestModule } from 'vitest/node';

/** Names each test that was skipped, at the end, so that nobody takes a run for more than it was. */
export class Skipped implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const names = modules.flatMap(({ relativeModuleId, children }) =>
      [...children.allTests()]
        .filter((test) => !['passed', 'failed'].includes(test.result().state))
        .map((test) => `${relativeModuleId} > ${test.fullName}`),
    );
    for (const name of names) process.stdout.write(`skipped: ${name}\n`);
    if (names.length > 0) process.stdout.write(`${names.length} skipped\n`);
  }
}
