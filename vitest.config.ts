import { relative } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { matrices } from './test/matrices.ts';
import { Skipped } from './test/support/skipped.ts';

const common = {
  environment: 'node' as const,
  pool: 'forks' as const,
  execArgv: ['--disable-warning=ExperimentalWarning'],
  globalSetup: ['test/support/make-program.ts'],
  setupFiles: ['test/e2e/support/after-file.ts'],
  // Leaves out what needs root, where the tests are run by somebody else.
  runner: './test/support/runner.ts',
};
const never = ['**/node_modules/**', '**/dist/**', '**/fixtures/**'];
/**
 * What has a process to itself: what measures that process. All other files share one with those before them, since each import
 * of the whole runtime takes a second of a processor. What a test opens it closes, by `onTestFinished`, since a hook at the top
 * of a module that tests share runs for the first of them only; what a file opens, its end closes (test/e2e/support/after-file.ts).
 */
const alone = ['test/attacks/worker/log-memory.test.ts', 'test/mesh/{backpressure,bandwidth}.test.ts'];

/** Functions and state machines: no process, no socket, nothing global that is changed. Their files share processes, in any order. */
const pure = [
  'test/core/**/*.test.ts',
  'test/dependencies/layout.test.ts',
  'test/identity/**/*.test.ts',
  'test/jobfile/**/*.test.ts',
  'test/proof/mutation.test.ts',
  'test/attacks/{image,machines,trust}/**/*.test.ts',
  'test/cli/{board,config,pipeline-picture,side-by-side,format,lending-knobs,lending,network-need,rate,tiers,worker-file}.test.ts',
  'test/egress/addresses.test.ts',
  'test/http/page/*.test.ts',
  'test/examples/story.test.ts',
  'test/sandbox/{archive,parity,state-folder}.test.ts',
  'test/sandbox/{cgroups,seccomp}/**/*.test.ts',
  'test/sandbox/build/{deadline,driver}.test.ts',
  'test/sandbox/vm/{boot,end-marker}.test.ts',
  'test/simulations/{bugs,faults}.test.ts',
  'test/source/url.test.ts',
  'test/store/{areas,diff,export,symlinks}.test.ts',
  'test/transfer/car.test.ts',
];

/** Against hanging only, on a machine that is busy with something else too. No test passes or fails by them otherwise. */
const deadlines = {
  testTimeout: 300_000,
  hookTimeout: 300_000,
  expect: { poll: { timeout: 240_000, interval: 50 } },
};

/** A process is shared by files that follow each other, so those of one project have a number of their own. */
const first: Readonly<Record<string, number>> = { alone: 20, shared: 10 };
/** Of those that come last, these take ten seconds. */
const longPure = ['proof/mutation', 'simulations/bugs', 'simulations/faults'].map(
  (name) => `test/${name}.test.ts`,
);

/** Those that take long come first, so that none of them is left when all others have ended. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const seconds = ({ project, moduleId }: TestSpecification) => {
      const file = relative(project.config.root, moduleId);
      return matrices[file] ?? first[project.name] ?? (longPure.includes(file) ? 0.5 : 0);
    };
    const bySize = await super.sort(files);
    return bySize.sort((a, b) => seconds(b) - seconds(a));
  }
}

/** Where .ci/run wants the numbers. */
const report = process.env.TEST_REPORT;

export default defineConfig({
  test: {
    // One more than a small machine has processors: many files wait for sandboxes and timers. A fourth made it slower (347 s, not 315).
    maxWorkers: 3,
    // Node loads the modules itself, as it does for those who use them: less to load, and nothing between the code and its tests.
    experimental: { viteModuleRunner: false },
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
        test: { ...{ ...common, ...deadlines, name: 'alone' }, include: alone },
      },
      {
        test: {
          ...{ ...common, ...deadlines, name: 'shared', isolate: false },
          include: ['test/**/*.test.ts'],
          exclude: [...never, ...alone, ...pure, ...Object.keys(matrices)],
        },
      },
      {
        test: {
          ...{ ...common, ...deadlines, name: 'pure', isolate: false },
          include: pure,
          exclude: [...never, ...Object.keys(matrices)],
        },
      },
      {
        test: { ...{ ...common, ...deadlines, name: 'matrices' }, include: Object.keys(matrices) },
      },
    ],
  },
});
