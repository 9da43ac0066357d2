// No process, folder, variable or spy of a test file outlives it, however the file ends, since the next file may
// run in the same process; where a test failed, the processes tell what they saw.
import { afterAll, afterEach, vi } from 'vitest';
import { failUndescribed } from '../../support/undescribed.ts';
import { endAll, reports } from './processes.ts';

afterEach(({ task }) => {
  const said = task.result?.state === 'fail' ? reports() : '';
  if (said !== '') process.stderr.write(`what ran beside "${task.name}":\n${said}\n`);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  await endAll();
  failUndescribed();
});
