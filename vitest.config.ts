import { defineConfig } from 'vitest/config';

const shared = {
  environment: 'node' as const,
  // Tests own processes, sockets and folders: one process a file, and no more of them than a small machine has cores.
  pool: 'forks' as const,
  execArgv: ['--disable-warning=ExperimentalWarning'],
  globalSetup: ['test/support/make-program.ts'],
  setupFiles: ['test/e2e/support/after-file.ts'],
  // Tests of real processes have deadlines that a machine busy with something else can outrun. A run that judges a change
  // tries such a test once more; vitest says so, and a test that needs it often is one to mend.
  retry: process.env.CI ? 1 : 0,
};
/** Each of their builds starts a machine without the processor's help: minutes, so .ci/run runs them and `npm test` does not. */
const emulated = ['test/**/*emulated*.test.ts'];
const never = ['**/node_modules/**', '**/dist/**', '**/fixtures/**'];
const whole = [
  'test/e2e/**/*.test.ts',
  'test/chaos/**/*.test.ts',
  'test/bad-input/**/*.test.ts',
  'test/examples/**/*.test.ts',
  'test/proof/npm-pack.test.ts',
];

/** Where .ci/run wants the numbers. */
const report = process.env.TEST_REPORT;

export default defineConfig({
  test: {
    maxWorkers: 2,
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
    projects: [
      {
        test: {
          ...shared,
          name: 'parts',
          include: ['test/**/*.test.ts'],
          exclude: [...never, ...whole, ...emulated],
          // Many of them wait for sandboxes and timers.
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        test: {
          ...shared,
          name: 'whole',
          include: whole,
          sequence: { groupOrder: 2 },
          exclude: [...never, ...emulated],
          testTimeout: 180_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          ...shared,
          name: 'emulated',
          include: emulated,
          // A machine keeps one processor busy, and none while it waits for a time limit.
          maxWorkers: 3,
          sequence: { groupOrder: 3 },
          exclude: never,
          testTimeout: 300_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
