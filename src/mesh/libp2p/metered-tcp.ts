import type { Socket } from 'node:net';
import type { MultiaddrConnection, Transport, Upgrader } from '@libp2p/interface';
import { type TCPComponents, type TCPOptions, tcp } from '@libp2p/tcp';
import type { Bandwidth } from '../../protocol/base/bandwidth.ts';
import type { DialBudget } from '../dial-budget.ts';
import type { Arrival, InboundGate } from '../inbound-gate.ts';
import { networkOf } from '../network.ts';

/** Methods of AbstractMessageStream of @libp2p/utils, which libp2p's transports extend. */
interface RawConnection extends MultiaddrConnection {
  /** Of the TCP transport's class. */
  readonly socket: Socket;
  sendData(data: List): { sentBytes: number; canSendMore: boolean };
  onData(data: Uint8Array): void;
  sendPause(): void;
  sendResume(): void;
  safeDispatchEvent(type: 'drain'): boolean;
}
interface List extends Iterable<Uint8Array> {
  readonly byteLength: number;
  sublist(from: number, to: number): List;
  subarray(): Uint8Array;
}

/** Bytes written between two checks of the rate: small enough to share a slow line, large enough to fill a fast one. */
const pieceBytes = 16 * 1024;
/** Up to here a copy costs less than a write of several pieces. */
const joinedBytes = 16 * 1024;

export interface TcpGuards {
  gate: InboundGate;
  dials: DialBudget;
}

/** The TCP transport with a limit on the bytes per second of all its connections together, and on connections that open. */
export function meteredTcp(
  options: TCPOptions,
  bandwidth: Bandwidth,
  { gate, dials }: TcpGuards,
): (components: TCPComponents) => Transport {
  return (components) => {
    const transport = tcp(options)(components);
    const [dial, createListener] = [transport.dial.bind(transport), transport.createListener.bind(transport)];
    transport.dial = (address, given) =>
      dials.dial(address, () =>
        dial(address, { ...given, upgrader: metering(given.upgrader, bandwidth, gate) }),
      );
    transport.createListener = (given) =>
      createListener({ ...given, upgrader: metering(given.upgrader, bandwidth, gate) });
    return transport;
  };
}

/** Wraps the upgrader, which gets each raw connection before the first byte of its handshake. */
function metering(upgrader: Upgrader, bandwidth: Bandwidth, gate: InboundGate): Upgrader {
  const metered =
    <Options, Result>(upgrade: (connection: MultiaddrConnection, options: Options) => Result) =>
    (connection: MultiaddrConnection, options: Options): Result => {
      meter(connection as RawConnection, bandwidth);
      return upgrade.call(upgrader, connection, options);
    };
  return {
    upgradeInbound: metered((connection, options: Parameters<Upgrader['upgradeInbound']>[1]) =>
      inTurn(connection as RawConnection, gate, () => upgrader.upgradeInbound(connection, options)),
    ),
    upgradeOutbound: metered(upgrader.upgradeOutbound),
    createInboundAbortSignal: (signal) => upgrader.createInboundAbortSignal(signal),
    getStreamMuxers: () => upgrader.getStreamMuxers(),
    getConnectionEncrypters: () => upgrader.getConnectionEncrypters(),
  };
}

/** Begins the handshake of an inbound connection when its turn has come; nothing of it is read before. */
function inTurn(connection: RawConnection, gate: InboundGate, upgrade: () => Promise<void>): Promise<void> {
  connection.socket.pause();
  return new Promise((resolve, reject) => {
    const arrival: Arrival = {
      network: networkOf(connection.remoteAddr),
      begin() {
        connection.socket.resume();
        void upgrade()
          .finally(() => gate.leave(arrival))
          .then(resolve, reject);
      },
      refuse(error) {
        connection.abort(error);
        reject(error);
      },
    };
    connection.addEventListener('close', () => gate.leave(arrival));
    gate.enter(arrival);
  });
}

function meter(connection: RawConnection, { up, down }: Bandwidth): void {
  const { sendPause, sendResume, onData } = connection;
  const sendData = inOneWrite(connection);
  let draining: NodeJS.Timeout | undefined;
  let resting: NodeJS.Timeout | undefined;
  let paused = false;
  connection.addEventListener('close', () => {
    clearTimeout(draining);
    clearTimeout(resting);
  });

  // Bytes not taken stay in the connection's queue, and its sender waits for `drain`.
  const later = (ms: number): void => {
    clearTimeout(draining);
    draining = setTimeout(() => connection.safeDispatchEvent('drain'), ms);
  };
  connection.sendData = (data) => {
    if (up.perSecond === undefined) return sendData(data);
    const ms = up.wait(performance.now());
    if (ms > 0) {
      later(ms);
      return { sentBytes: 0, canSendMore: false };
    }
    const { sentBytes, canSendMore } = sendData(data.sublist(0, Math.min(pieceBytes, data.byteLength)));
    const rest = up.charge(sentBytes, performance.now());
    if (!canSendMore || rest === 0) return { sentBytes, canSendMore };
    later(rest);
    return { sentBytes, canSendMore: false };
  };

  // While reading pauses the kernel's buffers fill up and TCP stops the sender.
  connection.onData = (data) => {
    const ms = down.charge(data.byteLength, performance.now());
    if (ms > 0) {
      clearTimeout(resting);
      sendPause.call(connection);
      resting = setTimeout(() => {
        resting = undefined;
        if (!paused) sendResume.call(connection);
      }, ms);
    }
    onData.call(connection, data);
  };
  connection.sendPause = () => {
    paused = true;
    sendPause.call(connection);
  };
  connection.sendResume = () => {
    paused = false;
    if (resting === undefined) sendResume.call(connection);
  };
}

/** A message is a list of pieces, the first of them its length: they go to the kernel together. */
function inOneWrite(connection: RawConnection): RawConnection['sendData'] {
  const { socket, sendData } = connection;
  // It only iterates over the pieces.
  const sendPieces = sendData as (pieces: Iterable<Uint8Array>) => ReturnType<typeof sendData>;
  return (data) => {
    if (data.byteLength <= joinedBytes) return sendPieces.call(connection, [data.subarray()]);
    socket.cork();
    try {
      return sendData.call(connection, data);
    } finally {
      socket.uncork();
    }
  };
}
