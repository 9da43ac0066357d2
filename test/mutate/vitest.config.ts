import { join, relative } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { common } from '../support/projects.ts';
import { readOrder } from './order.ts';

const root = join(import.meta.dirname, '..', '..');
const { files, programs, workers, testMsMax, record } = readOrder();

class InOrder extends BaseSequencer {
  override async sort(specifications: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => files.indexOf(relative(root, moduleId));
    return specifications.sort((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    ...common,
    root,
    include: [...files],
    globalSetup: programs ? common.globalSetup : [],
    runner: record === undefined ? common.runner : './test/mutate/recorder.ts',
    isolate: false,
    maxWorkers: workers,
    bail: record === undefined ? 1 : 0,
    testTimeout: testMsMax,
    hookTimeout: testMsMax,
    expect: { poll: { timeout: testMsMax, interval: 50 } },
    experimental: { viteModuleRunner: false },
    reporters: [['json', { outputFile: process.env.QUORATE_MUTATE_RESULT }]],
    sequence: { sequencer: InOrder },
  },
});
