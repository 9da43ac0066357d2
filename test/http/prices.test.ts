import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { prices } from '../../src/http/prices.ts';
import { End } from '../support/other-process.ts';
import { unpriced } from '../support/prices/http.ts';
import type { Served } from '../support/prices/http-server.ts';

/** Sizes that take no time: measured-prices.test.ts, a matrix, measures each request. */
const sizes = { runs: 5, entries: 5, logLines: 5, bundleBytes: 2 ** 10 };

it('every route has a price and a request that is measured, and no price is of a route that is gone', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-prices-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
  const server = fork(new URL('../support/prices/http-server.ts', import.meta.url), {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  onTestFinished(() => void server.kill('SIGKILL'));
  const { examples, routes } = await new End(server).ask<Served>('serve', dir, sizes);
  expect(unpriced(routes, examples)).toEqual([]);
  expect(Object.keys(prices).filter((route) => !routes.includes(route))).toEqual([]);
});
