import { connect, type Socket } from 'node:net';
import type { Listener, MultiaddrConnection, Transport, Upgrader } from '@libp2p/interface';
import type { TCPComponents } from '@libp2p/tcp';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { expect, it, onTestFinished, vi } from 'vitest';
import { DialBudget } from '../../../src/mesh/dial-budget.ts';
import type { Arrival, InboundGate } from '../../../src/mesh/inbound-gate.ts';
import { meteredTcp } from '../../../src/mesh/libp2p/metered-tcp.ts';
import { silentLogger } from '../../../src/mesh/libp2p-node.ts';
import { Bandwidth } from '../../../src/protocol/base/bandwidth.ts';

/** A connection of the TCP transport of libp2p, as far as it is used. */
type Raw = MultiaddrConnection & {
  socket: Socket;
  sendData(data: unknown): { sentBytes: number; canSendMore: boolean };
  onData(data: Uint8Array): void;
  sendPause(): void;
  sendResume(): void;
};

/** Bytes in pieces, as libp2p hands them on. */
function listOf(size: number, pieces: number): object {
  const whole = new Uint8Array(size);
  const each = Math.ceil(size / pieces);
  return {
    byteLength: size,
    *[Symbol.iterator]() {
      for (let at = 0; at < size; at += each) yield whole.subarray(at, at + each);
    },
    sublist: (from: number, to: number) => listOf(to - from, pieces),
    subarray: () => whole,
  };
}

/** A listening transport whose connections wait at a gate that the test opens, and one end of a connection to it. */
async function listening(bandwidth = new Bandwidth()) {
  const arrivals: Arrival[] = [];
  const left: Arrival[] = [];
  const gate = {
    enter: (arrival: Arrival) => void arrivals.push(arrival),
    leave: (arrival: Arrival) => void left.push(arrival),
  } as unknown as InboundGate;
  const upgraded: Raw[] = [];
  const ended = Promise.withResolvers<void>();
  const upgrader = {
    upgradeInbound: async (connection: Raw) => {
      upgraded.push(connection);
      await ended.promise;
    },
    upgradeOutbound: async (connection: Raw) => connection,
    createInboundAbortSignal: (signal: AbortSignal) => signal,
  } as unknown as Upgrader;
  const transport: Transport = meteredTcp({}, bandwidth, { gate, dials: new DialBudget() })({
    logger: silentLogger,
  } as unknown as TCPComponents);
  const listener: Listener = transport.createListener({ upgrader });
  await listener.listen(multiaddr('/ip4/127.0.0.1/tcp/0'));
  onTestFinished(() => listener.close());
  const [address] = listener.getAddrs() as [Multiaddr];
  const come = async (): Promise<Socket> => {
    const socket = connect(Number(address.toString().split('/')[4]), '127.0.0.1');
    socket.on('error', () => {});
    onTestFinished(() => void socket.destroy());
    await expect.poll(() => arrivals.length).toBeGreaterThan(0);
    return socket;
  };
  const dial = async () =>
    (await transport.dial(address, { upgrader, signal: AbortSignal.timeout(120_000) })) as unknown as Raw;
  return { arrivals, left, upgraded, ended, come, dial };
}

it('reads nothing of a connection before its turn, and leaves the gate when the handshake has ended', async () => {
  const { arrivals, left, upgraded, ended, come } = await listening();
  const socket = await come();
  expect([upgraded.length, arrivals[0]?.network]).toEqual([0, '127.0.0.1']);
  arrivals[0]?.begin();
  expect(upgraded).toHaveLength(1);
  const [connection] = upgraded;
  const read = new Promise<string>((resolve) =>
    connection?.addEventListener('message', ({ data }) => resolve(Buffer.from(data.subarray()).toString())),
  );
  expect(connection?.socket.isPaused()).toBe(false);
  socket.write('hello');
  expect(await read).toBe('hello');
  expect(left).toEqual([]);
  ended.resolve();
  await expect.poll(() => left.length).toBe(1);
});

it('pauses a connection that waits', async () => {
  const pause = vi.spyOn((await import('node:net')).Socket.prototype, 'pause');
  onTestFinished(() => pause.mockRestore());
  const { come } = await listening();
  await come();
  expect(pause).toHaveBeenCalled();
});

it('closes one that is refused, and leaves the gate for one that is closed while it waits', async () => {
  const { arrivals, left, come } = await listening();
  const socket = await come();
  arrivals[0]?.refuse(new Error('too many'));
  await new Promise((resolve) => socket.resume().once('close', resolve));
  expect(left).toEqual([arrivals[0]]);
});

it('sends sixteen KiB between two looks at the rate, and nothing before it may', async () => {
  const bandwidth = new Bandwidth();
  const { dial } = await listening(bandwidth);
  const connection = await dial();
  onTestFinished(() => connection.abort(new Error('done')));
  bandwidth.up.perSecond = 1_000_000;
  const clock = vi.spyOn(performance, 'now').mockReturnValue(1_000_000);
  onTestFinished(() => clock.mockRestore());
  expect(connection.sendData(listOf(100_000, 10))).toEqual({ sentBytes: 16 * 1024, canSendMore: true });
  bandwidth.up.charge(1_000_000, 1_000_000);
  expect(connection.sendData(listOf(100, 1))).toEqual({ sentBytes: 0, canSendMore: false });
});

it('writes a message of up to sixteen KiB at once, without a limit of any size', async () => {
  const { dial } = await listening();
  const connection = await dial();
  onTestFinished(() => connection.abort(new Error('done')));
  const write = vi.spyOn(connection.socket, 'write');
  const [cork, uncork] = [vi.spyOn(connection.socket, 'cork'), vi.spyOn(connection.socket, 'uncork')];
  connection.sendData(listOf(16 * 1024, 4));
  expect([write.mock.calls.length, cork.mock.calls.length]).toEqual([1, 0]);
  expect(connection.sendData(listOf(16 * 1024 + 4, 4)).sentBytes).toBe(16 * 1024 + 4);
  expect([write.mock.calls.length, cork.mock.calls.length, uncork.mock.calls.length]).toEqual([5, 1, 1]);
});

it('reads on when it may and its reader wants to, and not before either', async () => {
  const bandwidth = new Bandwidth();
  const { dial } = await listening(bandwidth);
  const connection = await dial();
  onTestFinished(() => connection.abort(new Error('done')));
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const [pause, resume] = [vi.spyOn(connection.socket, 'pause'), vi.spyOn(connection.socket, 'resume')];
  const calls = () => [pause.mock.calls.length, resume.mock.calls.length];
  connection.onData(new Uint8Array(1_000));
  expect(calls()).toEqual([0, 0]);
  bandwidth.down.perSecond = 1_000;
  connection.onData(new Uint8Array(1_000));
  connection.sendResume();
  expect(calls()).toEqual([1, 0]);
  vi.advanceTimersByTime(2_000);
  expect(calls()).toEqual([1, 1]);
  connection.onData(new Uint8Array(1_000));
  connection.sendPause();
  vi.advanceTimersByTime(2_000);
  expect(calls()).toEqual([3, 1]);
  connection.sendResume();
  expect(calls()).toEqual([3, 2]);
});
