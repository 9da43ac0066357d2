import { noise } from '@chainsafe/libp2p-noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Arrival, InboundGate } from '../../src/mesh/inbound-gate.ts';
import { meshLimits } from '../../src/mesh/limits.ts';
import { Buckets } from '../../src/mesh/token-buckets.ts';
import { node } from './harness.ts';

const hosts = meshLimits.inboundPerSecond + 10;

/** Until all have come, no time passes for the rate: a slow machine would need no line for them. */
function comeTogether(): void {
  const { enter } = InboundGate.prototype;
  let come = 0;
  vi.spyOn(InboundGate.prototype, 'enter').mockImplementation(function (this: InboundGate, arrival: Arrival) {
    come += 1;
    enter.call(this, arrival);
  });
  const { take } = Buckets.prototype;
  vi.spyOn(Buckets.prototype, 'take').mockImplementation(function (this: Buckets, key: string, now: number) {
    return take.call(this, key, come < hosts ? 0 : now);
  });
}

/** Hosts behind one address dial a node in the same moment, once each; gives how many got in. */
async function dialTogether(): Promise<number> {
  const target = await node();
  const addresses = target.addresses().map((address) => multiaddr(address));
  const all = await Promise.all(
    Array.from({ length: hosts }, async () => {
      const host = await createLibp2p({
        transports: [tcp()],
        connectionEncrypters: [noise()],
        streamMuxers: [yamux()],
        connectionMonitor: { enabled: false },
        connectionManager: { addressDialTimeout: 120_000 },
      });
      onTestFinished(() => host.stop());
      return host;
    }),
  );
  const dialled = await Promise.allSettled(
    all.map((host) => host.dial(addresses, { signal: AbortSignal.timeout(120_000) })),
  );
  return dialled.filter(({ status }) => status === 'fulfilled').length;
}

afterEach(() => void vi.restoreAllMocks());

describe('hosts behind one address that start together, more than its rate', () => {
  test('all get in: those beyond its rate wait for their handshake', async () => {
    comeTogether();
    expect(await dialTogether()).toBe(hosts);
  });

  test('control: where nobody waits, those beyond its rate do not', async () => {
    const { enter } = InboundGate.prototype;
    let come = 0;
    vi.spyOn(InboundGate.prototype, 'enter').mockImplementation(function (
      this: InboundGate,
      arrival: Arrival,
    ) {
      come += 1;
      if (come <= meshLimits.inboundPerSecond) enter.call(this, arrival);
      else arrival.refuse(new Error('too many'));
    });
    expect(await dialTogether()).toBe(meshLimits.inboundPerSecond);
  });
});
