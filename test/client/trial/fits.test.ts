import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { checkFits } from '../../../src/client/trial/trial.ts';
import { controllerHealth } from '../../../src/controller/node/status.ts';
import type { JobSpec } from '../../../src/jobfile/index.ts';
import { codeOf, folder } from '../../support/code-and-folder.ts';

const fits = async (limits: Partial<JobSpec['limits']>, sourceBytes = 0) => {
  const spec = { name: 'build', limits: { cpus: 1, memoryBytes: 1, diskBytes: 1, ...limits } } as JobSpec;
  const dir = join(await folder(), 'sandbox');
  return codeOf(() => checkFits(spec, sourceBytes, dir));
};

it('a job is tried that wants all that there is, and none that wants more', async () => {
  const [cpus, memoryBytes] = [availableParallelism(), totalmem()];
  expect(await fits({ cpus, memoryBytes, diskBytes: memoryBytes }, memoryBytes)).toBeUndefined();
  expect(await fits({ cpus: cpus + 1 })).toBe('TRY_HOST_TOO_SMALL');
  expect(await fits({ memoryBytes: memoryBytes + 1 })).toBe('TRY_HOST_TOO_SMALL');
  expect(await fits({ diskBytes: 2 ** 60 })).toBe('TRY_HOST_TOO_SMALL');
  expect(await fits({ diskBytes: 7 }, 7)).toBeUndefined();
  expect(await fits({ diskBytes: 7 }, 8)).toBe('SOURCE_TOO_LARGE');
});

it('a controller is ready that has an address, has started, has a charter and is not being drained', () => {
  const trouble = (state: object, addresses: string[], asking: object | null = null) => {
    const about = { broken: () => undefined, asking: () => asking };
    const { live, ready } = controllerHealth(state as never, { addresses: () => addresses }, about as never);
    return [...live, ...ready].filter((check) => check.trouble() !== undefined).map(({ name }) => name);
  };
  const ready = { draining: false, charter: {} };
  expect(trouble(ready, ['/ip4/127.0.0.1'])).toEqual([]);
  expect(trouble({ draining: true, charter: null }, [])).toEqual(['mesh', 'drain', 'charter']);
});
