import type { MessageStream, StreamMuxer } from '@libp2p/interface';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Mesh } from '../../../src/mesh/index.ts';
import { watchLiveness } from '../../../src/mesh/libp2p/liveness.ts';
import { meshLimits } from '../../../src/mesh/limits.ts';
import { node, until } from '../harness.ts';

const { quietMs, pongMs } = meshLimits;
const immediates = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A watched muxer, how often it has sent a ping, and how often muxer and connection were aborted. */
function watched() {
  const connection = Object.assign(new EventTarget(), { writableNeedsDrain: false });
  const counts = { pings: 0, aborts: 0 };
  let answer = (): void => {};
  const abort = () => {
    counts.aborts += 1;
  };
  const muxer = {
    status: 'open',
    onData: (_data: unknown) => {},
    nextPingID: 0,
    ping: () => {
      counts.pings += 1;
      return new Promise<number>((resolve) => {
        answer = () => resolve(1);
      });
    },
    abort,
  };
  watchLiveness(
    muxer as unknown as StreamMuxer,
    Object.assign(connection, { abort }) as unknown as MessageStream,
  );
  return { muxer, connection, counts, hear: () => muxer.onData(new Uint8Array(1)), answer: () => answer() };
}

describe('a connection', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    onTestFinished(() => void vi.useRealTimers());
  });

  it('is not asked while its peer says something', () => {
    const { counts, hear } = watched();
    for (let n = 0; n < 20; n += 1) {
      hear();
      vi.advanceTimersByTime(quietMs - 1_000);
    }
    // The first one measures how long an answer takes.
    expect(counts).toEqual({ pings: 1, aborts: 0 });
  });

  it('is asked when its peer is quiet, and stays while that answers', async () => {
    const { counts, hear } = watched();
    hear();
    for (let n = 1; n <= 20; n += 1) {
      vi.advanceTimersByTime(quietMs);
      expect(counts.pings).toBe(1 + n);
      hear();
    }
    await immediates();
    expect(counts.aborts).toBe(0);
  });

  it('ends when its peer is silent', async () => {
    const { counts, hear } = watched();
    hear();
    vi.advanceTimersByTime(quietMs + pongMs - 1);
    await immediates();
    expect(counts.aborts).toBe(0);
    vi.advanceTimersByTime(1);
    await immediates();
    expect(counts).toEqual({ pings: 2, aborts: 2 });
  });

  it('stays when the answer was read late, since this process was paused', async () => {
    const { counts, hear } = watched();
    hear();
    vi.advanceTimersByTime(quietMs + pongMs);
    hear();
    await immediates();
    vi.advanceTimersByTime(quietMs - 1_000);
    await immediates();
    expect(counts.aborts).toBe(0);
    vi.advanceTimersByTime(2 * quietMs);
    await immediates();
    expect(counts.aborts).toBe(2);
  });

  it('ends when its peer sends and reads nothing; an answer shows that it reads', async () => {
    const { connection, counts, hear, answer } = watched();
    hear();
    connection.writableNeedsDrain = true;
    for (let n = 0; n < 10; n += 1) {
      for (let second = 0; second * 1_000 < quietMs; second += 1) {
        hear();
        vi.advanceTimersByTime(1_000);
      }
      answer();
      await immediates();
    }
    expect(counts.aborts).toBe(0);
    for (let second = 0; second * 1_000 < quietMs + pongMs; second += 1) {
      hear();
      vi.advanceTimersByTime(1_000);
    }
    await immediates();
    expect(counts.aborts).toBe(2);
  });

  it('has pings with numbers that are not known before', () => {
    const ids = Array.from({ length: 8 }, () => watched().muxer.nextPingID);
    expect(new Set(ids).size).toBe(8);
  });

  it('is not watched once it is closed', () => {
    const { connection, counts, hear } = watched();
    hear();
    connection.dispatchEvent(new Event('close'));
    vi.advanceTimersByTime(10 * quietMs);
    expect(counts.pings).toBe(1);
  });
});

/** Of @libp2p/yamux, beneath a connection of libp2p. */
interface Muxer {
  keepAlive: unknown;
  nextPingID: number;
  ping(): Promise<number>;
  onData(data: unknown): void;
}

describe('the muxer of libp2p', () => {
  it('hands what arrives to `onData`, and is answered a ping with the number that is set', async () => {
    const [near, far] = [await node(), await node()];
    await near.connect(far.addresses());
    await until('both ends have it', () => far.connected().length === 1);
    const muxerOf = (mesh: Mesh) => (mesh.libp2p.getConnections()[0] as unknown as { muxer: Muxer }).muxer;
    const [muxer, other] = [muxerOf(near), muxerOf(far)];
    // The first one, which may still wait for its answer.
    await muxer.ping();
    const frames = { near: 0, far: 0 };
    for (const [end, of] of Object.entries({ near: muxer, far: other }) as ['near' | 'far', Muxer][]) {
      const { onData } = of;
      of.onData = (data) => {
        frames[end] += 1;
        onData.call(of, data);
      };
    }
    muxer.nextPingID = 4_000_000_000;
    await muxer.ping();
    expect(frames.near).toBeGreaterThan(0);
    expect(frames.far).toBeGreaterThan(0);
    expect(muxer.nextPingID).toBe(4_000_000_001);
    expect([muxer.keepAlive, other.keepAlive]).toEqual([undefined, undefined]);
  });
});
