import type { MessageStream } from '@libp2p/interface';
import { expect, it, vi } from 'vitest';
import { batchSends } from '../../../src/mesh/libp2p/batched-noise.ts';
import { paceUpdates } from '../../../src/mesh/libp2p/paced-yamux.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** An encrypted connection over a raw one, and what was done with them in its order. */
function batched(sends: () => boolean = () => true) {
  const calls: string[] = [];
  const connection = {
    writableNeedsDrain: false,
    writeBufferLength: 1,
    processSendQueue: (): boolean => {
      calls.push('send');
      return sends();
    },
    close: async (how: unknown) => void calls.push(`close ${how}`),
    abort: ({ message, code }: Error & { code?: string }) => void calls.push(`${code}: ${message}`),
  };
  const raw = { maxWriteBufferLength: 0, close: async () => void calls.push('close the raw one') };
  batchSends(connection as never, raw as unknown as MessageStream);
  return { connection, raw, calls };
}

it('sends what comes within a turn together, and again in the next', async () => {
  const { connection, raw, calls } = batched();
  for (let n = 0; n < 3; n++) expect(connection.processSendQueue()).toBe(true);
  expect(calls).toEqual([]);
  await turn();
  expect(calls).toEqual(['send']);
  connection.processSendQueue();
  await turn();
  expect(calls).toEqual(['send', 'send']);
  expect(raw.maxWriteBufferLength).toBe(64 * 1024 * 1024);
});

it('sends at once from 64 KiB on, and tells whether to wait', async () => {
  const { connection, calls } = batched(() => false);
  connection.writeBufferLength = 64 * 1024 - 1;
  expect(connection.processSendQueue()).toBe(true);
  connection.writeBufferLength = 64 * 1024;
  expect(connection.processSendQueue()).toBe(false);
  expect(calls).toEqual(['send']);
  // The immediate of the first call has nothing left to send.
  await turn();
  expect(calls).toEqual(['send']);
});

it('ends a connection to a peer that reads nothing after 20,000 frames, and not before', () => {
  const { connection, calls } = batched();
  const frames = (count: number) => {
    for (let n = 0; n < count; n++) connection.processSendQueue();
  };
  connection.writableNeedsDrain = true;
  frames(20_000);
  connection.writableNeedsDrain = false;
  frames(1);
  connection.writableNeedsDrain = true;
  frames(20_000);
  expect(calls.every((call) => call === 'send')).toBe(true);
  calls.length = 0;
  expect(connection.processSendQueue()).toBe(false);
  expect(calls).toEqual(['MESH_PEER_QUOTA: 20001 frames wait for a peer that reads nothing']);
});

it('sends what waits before either is closed, also where that fails', async () => {
  const { connection, raw, calls } = batched(() => {
    throw new Error('aborted');
  });
  connection.processSendQueue();
  await connection.close('soon');
  await raw.close();
  expect(calls).toEqual(['send', 'close soon', 'send', 'close the raw one']);
  connection.processSendQueue();
  await turn();
  expect(calls.at(-1)).toBe('send');
});

it('updates a window once half of it is used, and where an update says more', () => {
  const update = vi.fn();
  const stream = { state: 3, recvWindow: 100, recvWindowCapacity: 51, sendWindowUpdate: update };
  const muxer = { _newStream: vi.fn((..._given: unknown[]) => stream) };
  const { _newStream: made } = muxer;
  paceUpdates(muxer);
  expect(muxer._newStream(1, 'name')).toBe(stream);
  expect(made).toHaveBeenCalledWith(1, 'name');
  stream.sendWindowUpdate();
  expect(update).not.toHaveBeenCalled();
  stream.recvWindowCapacity = 50;
  stream.sendWindowUpdate();
  Object.assign(stream, { recvWindowCapacity: 100, state: 1 });
  stream.sendWindowUpdate();
  expect(update).toHaveBeenCalledTimes(2);
});
