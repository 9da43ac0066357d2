import type { Bench, Suite } from '../run.ts';
import { http } from './http.ts';
import { protocolPrices } from './protocols.ts';

/** One part measures the requests of one kind of server. */
const parts: readonly ((bench: Bench) => Promise<void>)[] = [http, protocolPrices];

export const suite: Suite = {
  what: 'the price of each request of a stranger',
  secondsMax: 1500,
  async run(bench) {
    for (const part of parts) await part(bench);
  },
};
