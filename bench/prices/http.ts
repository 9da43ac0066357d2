import { httpTable, type Measured, measureHttp, unpriced, worth } from '../../test/support/prices/http.ts';
import type { Sizes } from '../../test/support/prices/http-server.ts';
import type { Bench } from '../run.ts';
import { show } from './page.ts';

const sizes: Sizes = { runs: 10_000, entries: 20_000, logLines: 10_000, bundleBytes: 4 * 2 ** 20 };
const program = new URL('../../test/support/prices/http-server.ts', import.meta.url);

/** Measures each route, with much of everything. */
export async function http(bench: Bench): Promise<void> {
  const end = bench.end(program);
  const { measured, routes } = await measureHttp(end, await bench.folder(), sizes, { times: 10 });
  const [nothing] = measured;
  if (nothing === undefined) throw new Error('a request for nothing was measured');
  bench.figure('request for nothing', nothing.cpuMs, 'ms');
  const dearest = (of: (one: Measured) => number, unit: string, name: string) => {
    const one = measured.slice(1).reduce((a, b) => (of(a) >= of(b) ? a : b));
    bench.figure(name, of(one), unit, { aim: { under: worth }, note: `${one.route}, ${one.what}` });
  };
  dearest(({ heldMs }) => heldMs / nothing.cpuMs, '× nothing', 'longest turn of the event loop');
  dearest(
    ({ cpuMs, charged }) => cpuMs / nothing.cpuMs / charged,
    '× nothing',
    'time for what one is charged',
  );
  bench.figure('routes without a price', unpriced(routes, measured).length, '', { aim: { under: 0 } });
  await show('http', httpTable(measured));
}
