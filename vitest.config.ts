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
/**
 * Files whose nodes, stores and servers all run in the process of the tests: several files share one, since each import of the
 * whole runtime takes 2.5 s of a processor. What a test opens it closes, by `onTestFinished`, since a hook at the top of a
 * module runs for the first of these files only; what a file opens, its end closes (test/e2e/support/after-file.ts).
 */
const inside = [
  'test/dependencies/{fetch,lock-thread,module-zip}.test.ts',
  'test/attacks/{compare,forge,mesh,source,store,transfer}/*.test.ts',
  'test/attacks/{controller,e2e,services}/*.test.ts',
  'test/bad-input/{builds,fetching,folders,full-disk,replay,terminal}.test.ts',
  'test/e2e/{cancel,charter,clock,explained,http-feed,network,operator,pipeline,refusals,room,store}.test.ts',
  'test/egress/{metered-socket,proxy}.test.ts',
  'test/forge/*.test.ts',
  'test/http/*.test.ts',
  'test/image/{debian,hostile,layers,skip-sync}.test.ts',
  'test/journal/*.test.ts',
  'test/mesh/{channel,discovery,gossip,moved}.test.ts',
  'test/runtime/**/*.test.ts',
  'test/source/{checkout,committed-file}.test.ts',
  'test/store/{cids,linked,packs,pull,trim}.test.ts',
  'test/transfer/fetch.test.ts',
];

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
const first: Readonly<Record<string, number>> = { whole: 20, inside: 19, parts: 1 };
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
        test: {
          ...{ ...shared, ...deadlines, name: 'parts' },
          include: ['test/**/*.test.ts'],
          exclude: [...never, ...whole, ...inside, ...pure, ...Object.keys(matrices)],
        },
      },
      {
        test: {
          ...{ ...shared, ...deadlines, name: 'pure', isolate: false },
          include: pure,
          exclude: [...never, ...Object.keys(matrices)],
        },
      },
      {
        test: {
          ...{ ...shared, ...deadlines, name: 'whole' },
          include: whole,
          exclude: [...never, ...inside, ...pure, ...Object.keys(matrices)],
        },
      },
      {
        test: {
          ...{ ...shared, ...deadlines, name: 'inside', isolate: false },
          include: inside,
          exclude: [...never, ...Object.keys(matrices)],
        },
      },
      {
        test: { ...{ ...shared, ...deadlines, name: 'matrices' }, include: Object.keys(matrices) },
      },
    ],
  },
});
