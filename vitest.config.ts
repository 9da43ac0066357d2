import { relative } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { matrices } from './test/matrices.ts';
import { Skipped } from './test/support/skipped.ts';

const shared = {
  environment: 'node' as const,
  // Tests own processes, sockets and folders: one process a file.
  pool: 'forks' as const,
  execArgv: ['--disable-warning=ExperimentalWarning'],
  globalSetup: ['test/support/make-program.ts'],
  setupFiles: ['test/e2e/support/after-file.ts'],
  // Leaves out what needs root, where the tests are run by somebody else.
  runner: './test/support/runner.ts',
};
const never = ['**/node_modules/**', '**/dist/**', '**/fixtures/**'];
const whole = [
  'test/e2e/**/*.test.ts',
  'test/chaos/**/*.test.ts',
  'test/bad-input/**/*.test.ts',
  'test/examples/**/*.test.ts',
];

/** Against hanging only, on a machine that is busy with something else too. No test passes or fails by them otherwise. */
const deadlines = { testTimeout: 300_000, hookTimeout: 300_000 };

/** Those that take long come first, so that none of them is left when all others have ended. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const seconds = ({ project, moduleId }: TestSpecification) =>
      matrices[relative(project.config.root, moduleId)] ?? (project.name === 'whole' ? 20 : 0);
    const bySize = await super.sort(files);
    return bySize.sort((a, b) => seconds(b) - seconds(a));
  }
}

/** Where .ci/run wants the numbers. */
const report = process.env.TEST_REPORT;

export default defineConfig({
  test: {
    // One more than a small machine has processors: many files wait for sandboxes and timers.
    maxWorkers: 3,
    reporters: [
      'default',
      new Skipped(),
      ...(report === undefined
        ? []
        : [['json', { outputFile: report }] as [string, Record<string, unknown>]]),
    ],
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          ...{ ...shared, ...deadlines, name: 'parts' },
          include: ['test/**/*.test.ts'],
          exclude: [...never, ...whole, ...Object.keys(matrices)],
        },
      },
      {
        test: {
          ...{ ...shared, ...deadlines, name: 'whole' },
          include: whole,
          exclude: [...never, ...Object.keys(matrices)],
        },
      },
      {
        test: { ...{ ...shared, ...deadlines, name: 'matrices' }, include: Object.keys(matrices) },
      },
    ],
  },
});
