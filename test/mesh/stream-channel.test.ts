import { getEventListeners } from 'node:events';
import type { Stream } from '@libp2p/interface';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type ChannelLimits, StreamChannel } from '../../src/mesh/channel.ts';
import type { Link } from '../../src/mesh/types.ts';
import { FakeStream } from './fake-stream.ts';
import { bytes, codeOf, text } from './harness.ts';

function opened(limits: Partial<ChannelLimits> = {}) {
  const stream = new FakeStream();
  let tooLarge = 0;
  const channel = new StreamChannel(stream as unknown as Stream, { peer: 'peer' } as Link, {
    maxMessageBytes: 4 * 1024 * 1024,
    onTooLarge: () => tooLarge++,
    ...limits,
  });
  return { stream, channel, tooLarge: () => tooLarge };
}

const lengthOf = (count: number): Uint8Array => {
  const prefix = new Uint8Array(4);
  new DataView(prefix.buffer).setUint32(0, count);
  return prefix;
};
const framed = (message: string): Uint8Array =>
  Buffer.concat([lengthOf(bytes(message).length), bytes(message)]);
const turn = () => new Promise((resolve) => setImmediate(resolve));
/** The codes or messages with which calls fail. */
const failures = (...calls: Promise<unknown>[]) =>
  Promise.all(calls.map((call) => call.then(String, ({ code, message }) => code ?? message)));

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
});

describe('a channel that is read', () => {
  it('gives each message whole, wherever it is cut, an empty one as well', async () => {
    const { stream, channel } = opened();
    stream.arrive(framed(''));
    expect(await channel.receive()).toHaveLength(0);
    const two = Buffer.concat([framed('one'), framed('three')]);
    const first = channel.receive();
    const parts: [number, number?][] = [[0, 2], [2, 5], [5]];
    for (const [from, to] of parts) stream.arrive(two.subarray(from, to));
    expect(text(await first)).toBe('one');
    expect(text(await channel.receive())).toBe('three');
    stream.end();
    expect(await channel.receive()).toBeUndefined();
  });

  it('takes messages of the largest size, and ends at a larger one', async () => {
    const { stream, channel, tooLarge } = opened({ maxMessageBytes: 5 });
    stream.arrive(framed('right'), lengthOf(6));
    expect(text(await channel.receive())).toBe('right');
    for (let n = 0; n < 2; n++) expect(await codeOf(channel.receive())).toBe('MESH_MESSAGE_TOO_LARGE');
    expect(tooLarge()).toBe(1);
    expect(stream.calls).toEqual([expect.stringMatching(/^abort: a message from peer of 6 bytes/)]);
  });

  it.each([
    ['within a length', Uint8Array.of(0, 0)],
    ['after a length', lengthOf(5)],
    ['within a message', framed('right').subarray(0, 6)],
  ])('fails where it ends %s', async (_, part) => {
    const { stream, channel } = opened();
    stream.arrive(part);
    stream.end();
    for (let n = 0; n < 2; n++) expect(await codeOf(channel.receive())).toBe('MESH_TRUNCATED');
    expect(stream.calls).toHaveLength(1);
  });

  it('waits two minutes, and can be read again', async () => {
    const { stream, channel } = opened();
    const waited = codeOf(channel.receive());
    await vi.advanceTimersByTimeAsync(119_999);
    stream.arrive(Uint8Array.of(0));
    await vi.advanceTimersByTimeAsync(1);
    expect(await waited).toBe('MESH_TIMEOUT');
    const again = channel.receive();
    stream.arrive(framed('late').subarray(1));
    expect(text(await again)).toBe('late');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is waited for while bytes arrive, where it has a longer time in all', async () => {
    const { stream, channel } = opened();
    const begun = performance.now();
    const ended = async (act: Promise<unknown>) => [await codeOf(act), performance.now() - begun];
    const trickle = async (times: number) => {
      for (let n = 0; n < times; n++) {
        stream.arrive(n === 0 ? lengthOf(1000) : Uint8Array.of(0));
        await vi.advanceTimersByTimeAsync(60);
      }
    };
    const silent = ended(channel.receive({ timeoutMs: 100, wholeMs: 500 }));
    await trickle(3);
    await vi.advanceTimersByTimeAsync(100);
    expect(await silent).toEqual(['MESH_TIMEOUT', 220]);
    const slow = ended(channel.receive({ timeoutMs: 100, wholeMs: 500 }));
    await trickle(9);
    expect(await slow).toEqual(['MESH_TIMEOUT', 280 + 500]);
    const whole = channel.receive({ timeoutMs: 100, wholeMs: 500 });
    await vi.advanceTimersByTimeAsync(90);
    stream.arrive(new Uint8Array(1000));
    expect(await whole).toHaveLength(1000);
  });

  it('keeps nothing of a signal that ends no wait, and does not wait under one that has ended', async () => {
    const { stream, channel } = opened();
    const { signal } = new AbortController();
    const received = channel.receive({ signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    stream.arrive(framed('here'));
    expect(text(await received)).toBe('here');
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect(await codeOf(channel.receive({ signal: AbortSignal.abort() }))).toBe('MESH_TIMEOUT');
  });

  it('has one reader at a time', async () => {
    const { stream, channel } = opened();
    const first = channel.receive();
    await expect(channel.receive()).rejects.toThrow('one receive() at a time');
    stream.arrive(framed('first'));
    expect(text(await first)).toBe('first');
  });
});

describe('a message that has to be admitted', () => {
  it('is given once it is, each of them', async () => {
    const admitted: number[] = [];
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const admit = (length: number) => {
      admitted.push(length);
      return gates[admitted.length - 1]?.promise ?? Promise.resolve();
    };
    const { stream, channel } = opened({ toll: { admit, sent: () => {}, charge: async () => {} } });
    stream.arrive(framed('one'), framed('three'));
    for (const [n, message] of ['one', 'three'].entries()) {
      let isThere = false;
      const received = channel.receive().finally(() => {
        isThere = true;
      });
      await turn();
      expect([isThere, admitted]).toEqual([false, [3, 5].slice(0, n + 1)]);
      gates[n]?.resolve();
      expect(text(await received)).toBe(message);
    }
  });

  it('and is refused ends what is read, not what is said', async () => {
    const admit = () => Promise.reject('no room');
    const { stream, channel } = opened({
      toll: { admit: async () => {}, sent: () => {}, charge: async () => {} },
    });
    stream.arrive(framed('one'), framed('two'));
    await expect(channel.receive({ admit })).rejects.toBe('no room');
    await expect(channel.receive()).rejects.toThrow('no room');
    await channel.send(bytes('sorry'));
    expect(stream.sent).toHaveLength(1);
    expect(stream.calls).toEqual([]);
  });
});

describe('a channel that is written', () => {
  const KiB = 1024;

  it.each([
    [0, [4]],
    [16 * KiB, [4 + 16 * KiB]],
    [16 * KiB + 1, [4, 16 * KiB + 1]],
    [512 * KiB, [4, 256 * KiB, 256 * KiB]],
    [256 * KiB + 1, [4, 256 * KiB, 1]],
  ])('sends a message of %i bytes in few frames', async (size, frames) => {
    const { stream, channel } = opened();
    await channel.send(new Uint8Array(size).fill(7));
    expect(stream.sent.map(({ length }) => length)).toEqual(frames);
    const all = Buffer.concat(stream.sent);
    expect(all.subarray(0, 4)).toEqual(Buffer.from(lengthOf(size)));
    expect(all.subarray(4).every((byte) => byte === 7)).toBe(true);
  });

  it('sends nothing of a message that is too large', async () => {
    const { stream, channel, tooLarge } = opened({ maxMessageBytes: 9, maxSendBytes: 5 });
    expect(await codeOf(channel.send(bytes('larger')))).toBe('MESH_MESSAGE_TOO_LARGE');
    expect([stream.sent, tooLarge()]).toEqual([[], 1]);
    await channel.send(bytes('right'));
    expect(stream.sent).toHaveLength(1);
  });

  it('lets others have their turn within a large message', async () => {
    const { stream, channel } = opened();
    vi.spyOn(performance, 'now').mockImplementation(() => stream.sent.length * 5);
    onTestFinished(() => void vi.restoreAllMocks());
    const sent = channel.send(new Uint8Array(1024 * KiB));
    await turn();
    expect(stream.sent.length).toBeLessThan(5);
    await sent;
    expect(stream.sent).toHaveLength(5);
  });

  it.each(['drain', 'idle'])('waits until the peer reads, which "%s" tells', async (event) => {
    const { stream, channel } = opened();
    stream.writeBufferLength = 1;
    let isSent = false;
    const sent = channel.send(bytes('one')).then(() => {
      isSent = true;
    });
    const [next] = [channel.send(bytes('two')), await turn()];
    stream.dispatchEvent(new Event(event));
    await turn();
    Object.assign(stream, { writeBufferLength: 0, writableNeedsDrain: true });
    stream.dispatchEvent(new Event(event));
    await turn();
    expect([isSent, stream.sent.length]).toEqual([false, 1]);
    stream.writableNeedsDrain = false;
    stream.dispatchEvent(new Event(event));
    await Promise.all([sent, next]);
    expect(stream.sent).toHaveLength(2);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('gives up a peer that reads nothing for a minute', async () => {
    const { stream, channel } = opened();
    stream.writeBufferLength = 1;
    const sent = failures(channel.send(bytes('one')), channel.send(bytes('two')));
    await vi.advanceTimersByTimeAsync(59_999);
    expect(stream.calls).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(await sent).toEqual(['MESH_TIMEOUT', 'MESH_TIMEOUT']);
    expect(stream.calls).toEqual(['abort: peer reads no data']);
  });

  it('fails where the stream closes, or is given up, meanwhile', async () => {
    const closing = opened();
    closing.stream.writeBufferLength = 1;
    const closed = failures(closing.channel.send(bytes('one')));
    await turn();
    closing.stream.closes();
    expect(await closed).toEqual(['MESH_RESET']);
    const { stream, channel } = opened();
    stream.writeBufferLength = 1;
    stream.arrive(framed('unread'));
    const given = failures(channel.send(bytes('one')), channel.send(bytes('two')));
    await turn();
    channel.abort(new Error('enough'));
    channel.abort(new Error('more than enough'));
    expect(await given).toEqual(['enough', 'enough']);
    expect(await failures(channel.receive())).toEqual(['enough']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('fails where it is given up in the turn in which the peer read a part', async () => {
    const { stream, channel } = opened();
    stream.writeBufferLength = 2;
    const sent = failures(channel.send(bytes('one')));
    await turn();
    stream.writeBufferLength = 1;
    stream.dispatchEvent(new Event('drain'));
    channel.abort(new Error('enough'));
    await turn();
    expect(vi.getTimerCount()).toBe(0);
    expect(await sent).toEqual(['enough']);
  });

  it.each(['reset', 'aborted'])('fails on a stream that was %s while its last bytes left', async (status) => {
    const { stream, channel } = opened();
    stream.send = () => {
      stream.status = status;
      return true;
    };
    expect(await failures(channel.send(bytes('one')))).toEqual(['MESH_RESET']);
  });

  it('fails on a stream that takes nothing, for this message only', async () => {
    const { stream, channel } = opened();
    const send = vi.spyOn(stream, 'send').mockImplementationOnce(() => {
      throw new Error('cannot write');
    });
    const [first, second] = [channel.send(bytes('one')), channel.send(bytes('two'))];
    await expect(first).rejects.toMatchObject({ code: 'MESH_RESET', cause: new Error('cannot write') });
    await second;
    stream.writeStatus = 'closed';
    expect(await failures(channel.send(bytes('three')))).toEqual(['MESH_RESET']);
    expect(send).toHaveBeenCalledTimes(2);
  });

  it('is charged for what it sends, and for work that is waited for', async () => {
    const sent: number[] = [];
    const gate = Promise.withResolvers<void>();
    const charge = vi.fn(() => gate.promise);
    const { channel } = opened({
      toll: { admit: async () => {}, sent: (count) => sent.push(count), charge },
    });
    await channel.send(bytes('hello'));
    expect(sent).toEqual([5]);
    let isPaid = false;
    const paid = channel.charge(3).then(() => {
      isPaid = true;
    });
    await turn();
    expect([isPaid, charge.mock.calls]).toEqual([false, [[3]]]);
    gate.resolve();
    await paid;
  });
});

describe('a channel that is closed here', () => {
  it('is closed once all is sent, once, and takes nothing more', async () => {
    const { stream, channel } = opened();
    stream.writeBufferLength = 1;
    const sent = channel.send(bytes('one'));
    const closed = Promise.all([channel.close(), channel.close()]);
    await turn();
    expect(stream.calls).toEqual([]);
    stream.writeBufferLength = 0;
    stream.dispatchEvent(new Event('drain'));
    await Promise.all([sent, closed]);
    expect(stream.calls).toEqual(['close']);
    expect(await failures(channel.send(bytes('two')))).toEqual(['MESH_CLOSED']);
  });

  it('is usable until both halves are', async () => {
    const { stream, channel } = opened();
    stream.arrive(framed('answer'));
    await channel.close();
    expect(channel.closed).toBe(false);
    expect(text(await channel.receive())).toBe('answer');
    stream.end();
    expect(await channel.receive()).toBeUndefined();
    expect(channel.closed).toBe(true);
    const other = opened();
    other.stream.end();
    expect(await other.channel.receive()).toBeUndefined();
    expect(other.channel.closed).toBe(false);
    other.stream.status = 'reset';
    expect(other.channel.closed).toBe(true);
  });

  it('does not close a stream that cannot be written, and gives up one that does not close', async () => {
    const gone = opened();
    gone.stream.writeStatus = 'closed';
    await gone.channel.close();
    expect(gone.stream.calls).toEqual([]);
    const { stream, channel } = opened();
    stream.close = () => Promise.reject(new Error('not yet'));
    await channel.close();
    expect(stream.calls).toEqual(['abort: could not close the channel to peer']);
  });

  it('is given up half a minute later where the peer keeps its half and nobody reads', async () => {
    const { stream, channel } = opened();
    await channel.close();
    await vi.advanceTimersByTimeAsync(29_999);
    expect(stream.calls).toEqual(['close']);
    await vi.advanceTimersByTimeAsync(1);
    expect(stream.calls).toEqual(['close', 'abort: peer did not close its half of the channel']);
  });

  it('is given up a second later where a message was refused', async () => {
    const { stream, channel } = opened();
    stream.arrive(framed('one'));
    await failures(channel.receive({ admit: () => Promise.reject(new Error('no room')) }));
    await channel.close();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(stream.calls).toHaveLength(2);
  });

  it('is not given up while it is read, nor once the peer has closed it', async () => {
    const { stream, channel } = opened({ lingerMs: 1_000 });
    await channel.close();
    const received = channel.receive();
    await vi.advanceTimersByTimeAsync(60_000);
    stream.arrive(framed('late'));
    expect(text(await received)).toBe('late');
    expect(vi.getTimerCount()).toBe(1);
    stream.end();
    expect(await channel.receive()).toBeUndefined();
    expect(vi.getTimerCount()).toBe(0);
    const other = opened();
    await other.channel.close();
    other.stream.closes();
    expect(vi.getTimerCount()).toBe(0);
  });
});
