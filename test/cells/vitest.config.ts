import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/** Against hanging only. Time in a guest passes with its instructions. */
const hangingMs = 1_800_000;

/** For tests inside of a guest (guest.sh): one file after the other, and no program is bundled. */
export default defineConfig({
  root: join(import.meta.dirname, '..', '..'),
  cacheDir: `/tmp/vite-${process.getuid?.()}`,
  test: {
    environment: 'node',
    pool: 'forks',
    execArgv: ['--disable-warning=ExperimentalWarning'],
    setupFiles: ['test/e2e/support/after-file.ts'],
    include: ['test/**/*.test.ts', 'test/cells/inside/*.cell.ts'],
    maxWorkers: 1,
    isolate: false,
    fileParallelism: false,
    testTimeout: hangingMs,
    hookTimeout: hangingMs,
    teardownTimeout: hangingMs,
    expect: { poll: { timeout: 600_000, interval: 50 } },
    experimental: { viteModuleRunner: false },
    reporters: ['verbose', join(import.meta.dirname, 'reporter.ts')],
  },
});
