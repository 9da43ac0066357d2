import { readFile, writeFile } from 'node:fs/promises';
import { measurePrices } from '../test/support/measured-prices.ts';
import { httpTable, type Measured, measureHttp, unpriced, worth } from '../test/support/prices/http.ts';
import type { Sizes } from '../test/support/prices/http-server.ts';
import type { Bench, Suite } from './run.ts';

const httpSizes: Sizes = { runs: 10_000, entries: 20_000, logLines: 10_000, bundleBytes: 4 * 2 ** 20 };
const program = new URL('../test/support/prices/http-server.ts', import.meta.url);
const protocolSizes = { runs: 600, files: 5_000 };
const page = new URL('../docs/performance.md', import.meta.url);

/** Puts a table between its marks in docs/performance.md, with PRICES=write in the environment; else prints it. */
async function show(name: string, table: string): Promise<void> {
  process.stderr.write(`\n${table}\n`);
  if (process.env['PRICES'] !== 'write') return;
  const [begin, end] = [`<!-- prices: ${name} -->`, '<!-- end -->'];
  const text = await readFile(page, 'utf8');
  const at = text.indexOf(begin);
  if (at === -1) throw new Error(`docs/performance.md has no ${begin}`);
  const rest = text.slice(text.indexOf(end, at));
  await writeFile(page, `${text.slice(0, at)}${begin}\n${table}\n${rest}`);
}

/** Measures each route, with much of everything. */
async function http(bench: Bench): Promise<void> {
  const end = bench.end(program);
  const { measured, routes } = await measureHttp(end, await bench.folder(), httpSizes, { times: 10 });
  const [nothing] = measured;
  if (nothing === undefined) throw new Error('a request for nothing was measured');
  bench.figure('request for nothing', nothing.cpuMs, 'ms');
  const dearest = (of: (one: Measured) => number, unit: string, name: string) => {
    const one = measured.slice(1).reduce((a, b) => (of(a) >= of(b) ? a : b));
    bench.figure(name, of(one), unit, { under: worth, note: `${one.route}, ${one.what}` });
  };
  dearest(({ heldMs }) => heldMs / nothing.cpuMs, '× nothing', 'longest turn of the event loop');
  dearest(
    ({ cpuMs, charged }) => cpuMs / nothing.cpuMs / charged,
    '× nothing',
    'time for what one is charged',
  );
  bench.figure('routes without a price', unpriced(routes, measured).length, '', { under: 0 });
  await show('http', httpTable(measured));
}

/** Requests of the protocols of libp2p, beside a stream on which nothing is asked. */
async function protocolPrices(bench: Bench): Promise<void> {
  const { nothing, prices } = await measurePrices(protocolSizes, { count: 5, rounds: 3 });
  for (const { protocol, request, ms, holdMs, turns } of prices) {
    const name = `${protocol} ${request}`;
    bench.figure(name, ms, 'ms of processor time', {
      beside: ['nothing is asked', nothing.ms],
      note: `${turns.toFixed(2)} turns`,
    });
    bench.figure(`${name}, longest hold of the event loop`, holdMs, 'ms', {
      beside: ['nothing is asked', nothing.holdMs],
      under: 20,
    });
  }
}

export const suite: Suite = {
  what: 'the price of each request of a stranger',
  secondsMax: 1500,
  async run(bench) {
    await http(bench);
    await protocolPrices(bench);
  },
};
