import { fork } from 'node:child_process';
import { once } from 'node:events';
import { peerIdFromString } from '@libp2p/peer-id';
import type { Ping } from '@libp2p/ping';
import { describe, expect, test } from 'vitest';
import { node, soon, until } from './harness.ts';

const PROTOCOL = '/slow/1';
const PART = 1024 * 1024;
const PARTS = 100;
/** Memory in use after a collection, buffers still being swept included; and the process as a whole, most of which is garbage awaiting one. */
const LIVE_GROWTH_MAX = 48 * 1024 * 1024;
const RSS_GROWTH_MAX = 150 * 1024 * 1024;

/** A second process, so that each side's memory is its own. */
async function reader() {
  const child = fork(new URL('./fixtures/slow-reader.ts', import.meta.url), { execArgv: ['--expose-gc'] });
  const [address] = (await once(child, 'message', { signal: soon() })) as [{ id: string; addrs: string[] }];
  let last = { read: 0, rss: 0, live: 0 };
  let liveMax = 0;
  child.on('message', (message) => {
    last = message as typeof last;
    liveMax = Math.max(liveMax, last.live);
  });
  return { child, address, state: () => last, liveMax: () => liveMax };
}

describe('backpressure', () => {
  test('100 MB to a slow reader: the sender waits and neither side keeps them in memory', async () => {
    const { child, address, state, liveMax } = await reader();
    try {
      const mesh = await node();
      const channel = await mesh.open(address, PROTOCOL, { signal: soon(), maxMessageBytes: PART });
      const ping = mesh.libp2p.services.ping as Ping;
      let sent = 0;
      const sending = (async () => {
        for (let i = 0; i < PARTS; i++) {
          await channel.send(new Uint8Array(PART));
          sent += 1;
        }
        await channel.close();
      })();
      // The reader reads one message, then stops: the sender must stop too, after about one window.
      await until('the reader has stopped', () => state().read === 1);
      // The reader's grant for bytes that it has got comes before its answer to a later ping on the same connection.
      await until('the sender has stopped', async () => {
        const before = sent;
        await ping.ping(peerIdFromString(address.id), { signal: soon() });
        return before === sent;
      });
      expect(sent).toBeLessThan(6);
      const senderRss = process.memoryUsage().rss;
      const atReader = state();
      child.send('go on');
      await sending;
      await until('all is read', () => state().read === PARTS);
      expect(process.memoryUsage().rss - senderRss).toBeLessThan(RSS_GROWTH_MAX);
      expect(state().rss - atReader.rss).toBeLessThan(RSS_GROWTH_MAX);
      expect(liveMax() - atReader.live).toBeLessThan(LIVE_GROWTH_MAX);
    } finally {
      child.kill('SIGKILL');
    }
  });
});
