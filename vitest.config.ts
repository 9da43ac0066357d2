import { relative } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { matrices } from './test/matrices.ts';
import { caches } from './test/support/caches.ts';
import { mallocLimits } from './test/support/memory.ts';
import { sharedProcesses } from './test/support/pool.ts';
import { alone, clocks, common } from './test/support/projects.ts';
import { Skipped } from './test/support/skipped.ts';

const never = ['**/node_modules/**', '**/dist/**', '**/fixtures/**'];
/** Against hanging only, on a machine that is busy with something else too. No test passes or fails by them otherwise. */
const deadlines = {
  testTimeout: 300_000,
  hookTimeout: 300_000,
  expect: { poll: { timeout: 240_000, interval: 50 } },
};

/** The house rules: `npm run check` runs them. */
const tidy = ['test/tidy/**/*.test.ts'];

/** Those that take longest, with their seconds; the others follow by their size, or by the time of the last run. */
const longest: Readonly<Record<string, number>> = {
  'test/attacks/machines/acks.test.ts': 5,
  'test/attacks/mesh/connections.test.ts': 9,
  'test/attacks/sandbox/namespace.outputs.test.ts': 8,
  'test/attacks/sandbox/namespace.resources.test.ts': 20,
  'test/attacks/sandbox/network.test.ts': 21,
  'test/bad-input/builds.test.ts': 9,
  'test/bad-input/full-disk.test.ts': 10,
  'test/bad-input/terminal.test.ts': 6,
  'test/owner/commands/image.test.ts': 7,
  'test/client/commands/shell.test.ts': 12,
  'test/client/commands/try.test.ts': 25,
  'test/e2e/journey.test.ts': 18,
  'test/e2e/pipeline.test.ts': 19,
  'test/e2e/refusals.test.ts': 13,
  'test/proof/mutation.test.ts': 10,
  'test/backup/backup.test.ts': 21,
  'test/sandbox/namespace/leftovers.test.ts': 8,
  'test/sandbox/namespace/namespace.test.ts': 8,
  'test/simulations/bugs.test.ts': 13,
  'test/simulations/faults.test.ts': 8,
};

/** Between files that share processes there is none of another project, or the process would end. */
const first: Readonly<Record<string, number>> = { alone: Number.MAX_VALUE, clocks: Number.MAX_VALUE / 2 };

/** Those that take long come first, so that none of them is left when all others have ended. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const seconds = ({ project, moduleId }: TestSpecification) => {
      const file = relative(project.config.root, moduleId);
      return matrices[file] ?? first[project.name] ?? longest[file] ?? 0;
    };
    const others = await super.sort(files);
    return others.sort((a, b) => seconds(b) - seconds(a));
  }
}

// Each of some fifty processes loads a thousand modules, most of which another one has compiled: 0.7 s of a processor, and not 1.4.
process.env.NODE_COMPILE_CACHE ??= caches.NODE_COMPILE_CACHE;
Object.assign(process.env, mallocLimits);

const shared = { isolate: false, pool: sharedProcesses };

/** Where .ci/run wants the numbers. */
const report = process.env.TEST_REPORT;

export default defineConfig({
  test: {
    // One more than a small machine has processors: many files wait for sandboxes and timers. A fourth made it slower (347 s, not 315).
    maxWorkers: 3,
    // Node loads the modules itself, as it does for those who use them: less to load, and nothing between the code and its tests. No module is mocked.
    experimental: { viteModuleRunner: false, nodeLoader: false },
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
        test: { ...{ ...common, ...deadlines, ...shared, name: 'clocks' }, include: clocks },
      },
      {
        test: {
          ...{ ...common, ...deadlines, ...shared, name: 'shared' },
          include: ['test/**/*.test.ts'],
          exclude: [...never, ...alone, ...clocks, ...tidy, ...Object.keys(matrices)],
        },
      },
      {
        test: { ...{ ...common, ...deadlines, ...shared, name: 'tidy' }, include: tidy, exclude: never },
      },
      {
        test: { ...{ ...common, ...deadlines, name: 'matrices' }, include: Object.keys(matrices) },
      },
    ],
  },
});
