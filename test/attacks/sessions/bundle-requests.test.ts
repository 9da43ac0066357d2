import { describe, expect, it } from 'vitest';
import type { Rank } from '../../../src/protocol/base/rank.ts';
import { fromUtf8 } from '../../../src/protocol/base/text.ts';
import { bundleServer } from '../../../src/protocol/sessions/bundle-exchange.ts';
import { sessionLimits } from '../../../src/protocol/sessions/limits.ts';
import type { Channel, Link } from '../../../src/protocol/sessions/ports.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';

/** How many bundles of a length a peer gets that asks without end on one stream. */
async function askWithoutEnd(bundleChars: number): Promise<number> {
  let read = 0;
  const { session } = bundleServer({
    size: async () => bundleChars,
    get: async () => {
      read += 1;
      return 'x'.repeat(bundleChars);
    },
  });
  let asked = 0;
  const channel = {
    peer: 'peer',
    closed: false,
    send: async () => {},
    // It ends at last, for the sake of a server that does not.
    receive: async () => (asked++ < 1_000 ? encodeMessage({ which: 'a'.repeat(64) }) : undefined),
    close: async () => {},
    abort: () => {},
  } satisfies Channel;
  await session(channel);
  return read;
}

describe('a peer asks for bundles without end on one stream', () => {
  it('gets a few small ones', async () => {
    expect(await askWithoutEnd(10)).toBe(sessionLimits.bundlesPerStreamMax);
  });

  it('gets one large one, as where each request has a stream of its own', async () => {
    expect(await askWithoutEnd(sessionLimits.bundleBytesPerStream)).toBe(1);
  });
});

describe('strangers with a key each ask for large bundles and read none', () => {
  const max = 16 * 2 ** 20;
  const bundleChars = 2 ** 20;

  /** Peers that get a bundle, of those that ask one after the other and keep what they get unread. */
  async function ask(peers: { rank: Rank; network: string }[]): Promise<boolean[]> {
    const bundle = 'x'.repeat(bundleChars);
    const { session } = bundleServer({ size: async () => bundleChars, get: async () => bundle }, max);
    const got: boolean[] = [];
    for (const [n, { rank, network }] of peers.entries()) {
      const peer = `peer ${n}`;
      const link = { peer, rank, network } as Link;
      await new Promise<void>((resolve) => {
        let asked = 0;
        void session({
          peer,
          link,
          closed: false,
          send: async (message) => {
            got.push(message.length >= bundleChars);
            resolve();
            if (message.length >= bundleChars) await new Promise(() => {});
          },
          receive: async () => (asked++ === 0 ? encodeMessage({ which: 'a'.repeat(64) }) : undefined),
          close: async () => {},
          abort: () => {},
        });
      });
    }
    return got;
  }
  const from = (count: number, rank: Rank, network: (n: number) => string) =>
    Array.from({ length: count }, (_, n) => ({ rank, network: network(n) }));
  const yes = (got: boolean[]) => got.filter((one) => one).length;

  it('have an eighth of the memory in one network, and half in all; members have the rest', async () => {
    const one = await ask([...from(10, 'guest', () => 'a'), ...from(1, 'guest', () => 'b')]);
    expect(yes(one.slice(0, 10))).toBe(2);
    expect(one.at(-1)).toBe(true);
    const many = await ask([...from(20, 'guest', String), ...from(10, 'member', String)]);
    expect(yes(many.slice(0, 20))).toBe(8);
    expect(yes(many.slice(20))).toBe(8);
  });

  it('control: where all are alike they have all of it', async () => {
    const many = await ask([...from(20, 'member', String), ...from(10, 'member', String)]);
    expect(yes(many.slice(20))).toBe(0);
  });
});

it('a bundle that is encoded in pieces is the same message', async () => {
  const bundle = `${'"\\\u0007ä😀'.repeat(40_000)}x😀`;
  const stored = { size: async () => bundle.length, get: async () => bundle };
  const sent: string[] = [];
  for (const loop of [undefined, { now: () => performance.now(), turn: setImmediate }]) {
    let asked = 0;
    await bundleServer(stored, undefined, loop).session({
      peer: 'peer',
      closed: false,
      send: async (message) => void sent.push(fromUtf8(message)),
      receive: async () => (asked++ === 0 ? encodeMessage({ which: 'a'.repeat(64) }) : undefined),
      close: async () => {},
      abort: () => {},
    });
  }
  expect(sent[1]).toBe(sent[0]);
});
