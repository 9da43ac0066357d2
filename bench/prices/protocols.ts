import { measurePrices } from '../../test/support/measured-prices.ts';
import type { Bench } from '../run.ts';

const size = { runs: 600, files: 5_000 };

/** Requests of the protocols of libp2p, beside a stream on which nothing is asked. */
export async function protocolPrices(bench: Bench): Promise<void> {
  const { nothing, prices } = await measurePrices(size, { count: 5, rounds: 3 });
  for (const { protocol, request, ms, holdMs, turns } of prices) {
    const name = `${protocol} ${request}`;
    bench.figure(name, ms, 'ms of processor time', {
      reference: { name: 'nothing is asked', value: nothing.ms },
      note: `${turns.toFixed(2)} turns`,
    });
    bench.figure(`${name}, longest hold of the event loop`, holdMs, 'ms', {
      reference: { name: 'nothing is asked', value: nothing.holdMs },
      aim: { under: 20 },
    });
  }
}
