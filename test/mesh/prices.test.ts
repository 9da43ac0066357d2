import { describe, expect, it, onTestFinished } from 'vitest';
import { libraryTurns } from '../../src/mesh/libp2p/library-toll.ts';
import { meshLimits } from '../../src/mesh/limits.ts';
import { protocols } from '../../src/protocol/wire/protocols.ts';
import { measurePrices } from '../support/measured-prices.ts';
import { openPriced } from '../support/protocol-prices.ts';
import { bootstrapNode } from './harness.ts';

/** Bytes that gossip may bring are bounded for each account: see `gossip.ts`. */
const isGossip = (protocol: string): boolean => protocol.startsWith('/meshsub/');

describe('the price of a request', () => {
  it('is known for each protocol that a node serves', async () => {
    const priced = await openPriced({ runs: 1, files: 1 });
    onTestFinished(() => priced.close());
    const asked = new Set(priced.requests.map(({ protocol }) => protocol));
    const served = [priced.mesh, await bootstrapNode()].flatMap(({ libp2p }) => libp2p.getProtocols());
    const unpriced = served.filter(
      (protocol) => !asked.has(protocol) && !(protocol in libraryTurns) && !isGossip(protocol),
    );
    expect(unpriced).toEqual([]);
    expect(Object.values(protocols).filter((protocol) => !asked.has(protocol))).toEqual([]);
  });
});

describe('a request of a stranger', () => {
  it('is charged', async () => {
    const { prices } = await measurePrices({ runs: 1, files: 1 }, { count: 1, rounds: 1 });
    for (const { protocol, request, turns } of prices)
      expect(turns, `${protocol} ${request}`).toBeGreaterThanOrEqual(meshLimits.streamTurns);
  });
});
