import { describe, expect, it } from 'vitest';
import { bundleServer } from '../../../src/core/sessions/bundle-exchange.ts';
import { sessionLimits } from '../../../src/core/sessions/limits.ts';
import type { Channel } from '../../../src/core/sessions/ports.ts';
import { encodeMessage } from '../../../src/core/wire/messages.ts';

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
