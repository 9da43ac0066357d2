import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { chargeLibraries } from '../../../src/mesh/libp2p/library-toll.ts';
import { Turns } from '../../../src/mesh/token-buckets.ts';
import { sessionLimits } from '../../../src/protocol/sessions/limits.ts';
import { FakeStream } from '../fake-stream.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
});

/** A node whose libraries serve any protocol, and note what they get. */
function charging() {
  const stats = { streamsRefusedByRate: 0 };
  const turns = new Turns();
  const served: string[] = [];
  const data: Uint8Array[] = [];
  const records = new Map<string, object>();
  const registrar = {
    getHandler: (protocol: string) => {
      const record = { options: {}, handler: () => void served.push(protocol) };
      records.set(protocol, record);
      return record;
    },
  };
  const account = ({ remotePeer }: Connection) => String(remotePeer);
  chargeLibraries({ components: { registrar } } as unknown as Libp2p, { stats, turns, account });
  const open = (protocol: string) => {
    const stream = Object.assign(new FakeStream(), { onData: (chunk: Uint8Array) => void data.push(chunk) });
    const { handler } = registrar.getHandler(protocol) as unknown as {
      handler(stream: Stream, connection: Connection): void;
    };
    handler(stream as unknown as Stream, { remotePeer: 'peer' } as unknown as Connection);
    return stream;
  };
  const left = () => turns.left('libraries peer', performance.now());
  return { stats, turns, served, data, registrar, records, open, left };
}

it('a stream of a library is charged when it opens, and each of its messages by its length', () => {
  const { open, left, served, data } = charging();
  const stream = open('/ipfs/ping/1.0.0');
  expect([served, left()]).toEqual([['/ipfs/ping/1.0.0'], 499.75]);
  stream.onData(new Uint8Array(sessionLimits.receivedBytesPerTurn));
  expect(left()).toBeCloseTo(499.75 - 0.1 - 1);
  expect(data).toHaveLength(1);
});

it('a stream whose messages cost nothing is charged for itself only, and one of ours not here', () => {
  const { open, left, registrar, records } = charging();
  open('/ipfs/id/1.0.0').onData(new Uint8Array(1_000_000));
  expect(left()).toBe(499.5);
  expect(registrar.getHandler('/quorate/lease/1')).toBe(records.get('/quorate/lease/1'));
});

it('an account that owes too much gets nothing more, and is not charged for that', () => {
  const { open, left, turns, stats, served, data } = charging();
  const stream = open('/quorate/kad/1');
  turns.charge('libraries peer', 999.75, performance.now());
  stream.onData(new Uint8Array(0));
  expect([data.length, left()]).toEqual([1, -500.25]);
  stream.onData(new Uint8Array(0));
  const other = open('/quorate/kad/1');
  expect([data.length, served.length, left()]).toEqual([1, 1, -500.25]);
  expect(stats.streamsRefusedByRate).toBe(2);
  for (const { calls } of [stream, other])
    expect(calls).toEqual(['abort: the peer asks for more than this node does for one']);
});
