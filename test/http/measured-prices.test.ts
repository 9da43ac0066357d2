import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { End } from '../support/other-process.ts';
import { measureHttp, worth } from '../support/prices/http.ts';

/** Smaller than what `npm run bench -- --only prices` measures, and large enough to hold the event loop where nothing slices it. */
const sizes = { runs: 200, entries: 5_000, logLines: 2_000, bundleBytes: 2 ** 20 };

it('every route holds the event loop for a moment only, and costs no more than it is charged for', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-prices-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
  const server = fork(new URL('../support/prices/http-server.ts', import.meta.url), {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  onTestFinished(() => void server.kill('SIGKILL'));
  const { measured } = await measureHttp(new End(server), dir, sizes, { times: 3 });
  const [nothing, ...rest] = measured;
  const unit = nothing?.cpuMs ?? 0;
  const over = rest.flatMap(({ route, what, cpuMs, heldMs, charged }) => [
    ...(heldMs > worth * unit
      ? [`${route}, ${what}: a turn takes ${(heldMs / unit).toFixed(1)} × nothing`]
      : []),
    ...(cpuMs > worth * unit * charged
      ? [`${route}, ${what}: ${(cpuMs / unit).toFixed(1)} × nothing for ${charged}`]
      : []),
  ]);
  expect(over).toEqual([]);
});
