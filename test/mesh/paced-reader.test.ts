import type { Stream } from '@libp2p/interface';
import { describe, expect, it } from 'vitest';
import { PacedReader } from '../../src/mesh/paced-reader.ts';
import { FakeStream } from './fake-stream.ts';

function reading(over: Partial<FakeStream> = {}) {
  const stream = Object.assign(new FakeStream(), over);
  return { stream, reader: new PacedReader(stream as unknown as Stream) };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const one = Uint8Array.of(1);

describe('a reader of a stream', () => {
  it('gives what arrives in its order, then the end', () => {
    const { stream, reader } = reading();
    expect([reader.ready, reader.take()]).toEqual([false, undefined]);
    stream.arrive(one, Uint8Array.of(2));
    stream.end();
    expect([reader.ready, reader.take(), reader.take(), reader.take()]).toEqual([
      ...[true, one, Uint8Array.of(2), 'end'],
    ]);
    expect(reader.ready).toBe(true);
    stream.closes();
    expect(reader.take()).toBe('end');
  });

  it('does not end while bytes are on their way', () => {
    const { stream, reader } = reading({ readBufferLength: 5 });
    stream.end();
    expect([reader.ready, reader.take()]).toEqual([false, undefined]);
    stream.readBufferLength = 0;
    expect(reader.take()).toBe('end');
  });

  it('pauses at 64 KiB, and goes on when they are taken', async () => {
    const { stream, reader } = reading();
    stream.arrive(new Uint8Array(64 * 1024 - 257));
    await turn();
    expect(stream.calls).toEqual([]);
    stream.arrive(new Uint8Array(1));
    await turn();
    expect(stream.calls).toEqual(['pause']);
    expect(reader.take()).toHaveLength(64 * 1024 - 257);
    expect(stream.calls).toEqual(['pause']);
    reader.take();
    reader.take();
    expect(stream.calls).toEqual(['pause', 'resume']);
  });

  it('pauses at 64 KiB exactly, what each chunk takes besides its bytes included', async () => {
    const { stream } = reading();
    stream.arrive(new Uint8Array(64 * 1024 - 256));
    await turn();
    expect(stream.calls).toEqual(['pause']);
  });

  it('does not pause a stream that is no longer read', async () => {
    const { stream } = reading();
    stream.arrive(new Uint8Array(64 * 1024));
    stream.readStatus = 'closed';
    await turn();
    expect(stream.calls).toEqual([]);
  });

  it('is told of the end, and of a reset, when it waits for more', () => {
    for (const over of ['end', 'closes'] as const) {
      const { stream, reader } = reading();
      let calls = 0;
      reader.onReady(() => calls++);
      stream[over]();
      expect(calls).toBe(1);
    }
  });

  it('counts frames of one byte in full', async () => {
    const { stream } = reading();
    for (let n = 0; n < 256; n++) stream.arrive(one);
    await turn();
    expect(stream.calls).toEqual(['pause']);
  });

  it('does not pause where the bytes were taken meanwhile', async () => {
    const { stream, reader } = reading();
    stream.arrive(new Uint8Array(64 * 1024));
    reader.take();
    await turn();
    expect(stream.calls).toEqual([]);
  });

  it('tells of a reset after what had arrived', () => {
    const { stream, reader } = reading();
    stream.arrive(one);
    stream.closes({ error: new Error('reset') });
    expect(reader.take()).toBe(one);
    expect(() => reader.take()).toThrow(expect.objectContaining({ code: 'MESH_RESET' }));
  });

  it('gives nothing more of a stream that was given up here', () => {
    const { stream, reader } = reading();
    stream.arrive(one);
    stream.closes({ error: new Error('enough'), local: true });
    expect(() => reader.take()).toThrow(expect.objectContaining({ code: 'MESH_RESET' }));
  });

  it('tells of a stream that closed before its end', () => {
    const { stream, reader } = reading();
    stream.closes();
    expect(() => reader.take()).toThrow(expect.objectContaining({ code: 'MESH_RESET' }));
  });

  it.each<[string, Partial<FakeStream>, string | undefined]>([
    ['closed', { status: 'closed' }, 'MESH_RESET'],
    ['ended', { remoteWriteStatus: 'closed' }, undefined],
  ])('knows of a stream that was %s before it', (_, over, code) => {
    const { reader } = reading(over);
    expect(reader.ready).toBe(true);
    if (code === undefined) expect(reader.take()).toBe('end');
    else expect(() => reader.take()).toThrow(expect.objectContaining({ code }));
  });

  it('calls back once there is something, once, unless that was cancelled', () => {
    const { stream, reader } = reading();
    const calls: string[] = [];
    const cancel = reader.onReady(() => calls.push('first'));
    cancel();
    stream.arrive(one);
    reader.onReady(() => calls.push('second'));
    cancel();
    stream.arrive(one);
    stream.arrive(one);
    expect(calls).toEqual(['second']);
  });

  it('takes a connection that is gone for no failure of what was delivered', async () => {
    const { stream, reader } = reading({
      resume: () => {
        throw new Error('gone');
      },
    });
    stream.arrive(new Uint8Array(64 * 1024));
    await turn();
    expect(reader.take()).toHaveLength(64 * 1024);
    expect(reader.take()).toBeUndefined();
  });
});
