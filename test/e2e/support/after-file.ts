// Whatever happened in a test file, none of its processes and folders outlives it; where a test failed, they tell what they saw.
import { afterAll, afterEach } from 'vitest';
import { endAll, reports } from './processes.ts';

afterEach(({ task }) => {
  const said = task.result?.state === 'fail' ? reports() : '';
  if (said !== '') process.stderr.write(`what ran beside "${task.name}":\n${said}\n`);
});
afterAll(endAll);
