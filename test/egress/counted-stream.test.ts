import { Socket } from 'node:net';
import { expect, it, vi } from 'vitest';
import { CountedStream } from '../../src/egress/proxy.ts';

it('reads no further while nobody takes what came', () => {
  const socket = new Socket();
  const [pause, resume] = [vi.spyOn(socket, 'pause'), vi.spyOn(socket, 'resume').mockReturnThis()];
  let received = 0;
  const stream = new CountedStream(socket, {
    received: (chunk) => {
      received += chunk.byteLength;
    },
    sent: () => {},
  });
  socket.emit('data', Buffer.alloc(10));
  expect(pause).not.toHaveBeenCalled();
  socket.emit('data', Buffer.alloc(stream.readableHighWaterMark));
  expect(pause).toHaveBeenCalledOnce();
  resume.mockClear();
  stream.read();
  expect(resume).toHaveBeenCalled();
  expect(received).toBe(10 + stream.readableHighWaterMark);
  stream.destroy();
});
