import { relative } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { long } from './test/long.ts';
import { matrices } from './test/matrices.ts';
import { bringPrograms } from './test/support/bring-programs.ts';
import { caches } from './test/support/caches.ts';
import { mallocLimits } from './test/support/memory.ts';
import { sharedProcesses } from './test/support/pool.ts';
import { alone, clocks, common } from './test/support/projects.ts';
import { Skipped } from './test/support/skipped.ts';
import { temporaryFolder } from './test/support/temporary.ts';

const never = ['**/node_modules/**', '**/dist/**', '**/fixtures/**'];
/** Against hanging only, on a machine that is busy with something else too. No test passes or fails by them otherwise. */
const deadlines = {
  testTimeout: 300_000,
  hookTimeout: 300_000,
  expect: { poll: { timeout: 240_000, interval: 50 } },
};

/** The house rules: `npm run check` runs them. */
const tidy = ['test/tidy/**/*.test.ts'];

/** Between files that share processes there is none of another project, or the process would end. */
const first: Readonly<Record<string, number>> = { alone: Number.MAX_VALUE, clocks: Number.MAX_VALUE / 2 };

/** Those that take long come first, so that none of them is left when all others have ended. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const seconds = ({ project, moduleId }: TestSpecification) => {
      const file = relative(project.config.root, moduleId);
      return matrices[file] ?? first[project.name] ?? long[file] ?? 0;
    };
    const others = await super.sort(files);
    return others.sort((a, b) => seconds(b) - seconds(a));
  }
}

/** Of the scripts of npm that run tests: the system programs that they need. */
const needs = new Map([
  ['test', 'test'],
  ['test:long', 'test'],
  ['test:all', 'matrices'],
]);
const purpose = needs.get(process.env.npm_lifecycle_event ?? '');
// vitest has read its options by now: a wrong one ends it before anything is installed.
const code = purpose === undefined ? 0 : bringPrograms(purpose);
if (code !== 0) process.exit(code);

// Each of some fifty processes loads a thousand modules, most of which another one has compiled: 0.7 s of a processor, and not 1.4.
process.env.NODE_COMPILE_CACHE ??= caches.NODE_COMPILE_CACHE;
Object.assign(process.env, mallocLimits);

// Not for the matrices, which unpack whole systems.
const TMPDIR = temporaryFolder();
const quick = { ...common, ...deadlines, ...(TMPDIR !== undefined && { env: { TMPDIR } }) };
const shared = { ...quick, isolate: false, pool: sharedProcesses };

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
        test: { ...quick, name: 'alone', include: alone },
      },
      {
        test: { ...shared, name: 'clocks', include: clocks },
      },
      {
        test: {
          ...shared,
          name: 'shared',
          include: ['test/**/*.test.ts'],
          exclude: [...never, ...alone, ...clocks, ...tidy, ...Object.keys(long), ...Object.keys(matrices)],
        },
      },
      {
        test: { ...shared, name: 'long', include: Object.keys(long) },
      },
      {
        test: { ...shared, name: 'tidy', include: tidy, exclude: never },
      },
      {
        test: { ...common, ...deadlines, name: 'matrices', include: Object.keys(matrices) },
      },
    ],
  },
});
