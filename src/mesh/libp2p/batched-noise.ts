import { noise } from '@chainsafe/libp2p-noise';
import type { MessageStream } from '@libp2p/interface';
import { QuorateError } from '../../protocol/base/errors.ts';
import { meshLimits } from '../limits.ts';
import { noiseCrypto } from './noise-crypto.ts';

/** A connection encrypted by libp2p-noise: methods and fields of AbstractMessageStream of @libp2p/utils. */
interface Encrypted extends MessageStream {
  processSendQueue(): boolean;
  readonly decoder: { lengthDecoder(data: { readonly byteLength: number }): number };
}

/** The longest message of Noise, and the largest length of two bytes (https://noiseprotocol.org/noise.html, 3). */
const messageBytesMax = 65_535;

type Noise = ReturnType<typeof noise>;
type Encrypter = ReturnType<Noise>;

/** Bytes that wait for the end of a turn. From here on they are sent at once, and the sender hears whether to wait. */
const waitingBytesMax = 64 * 1024;

/**
 * Noise that encrypts what is sent within one turn of the event loop as one message: each frame of the muxer by itself costs an
 * encryption and a system call on either side.
 */
export function batchedNoise(): Noise {
  return (components) => {
    const encrypter = noise({ crypto: noiseCrypto })(components);
    const batching = (secure: Encrypter['secureInbound']): Encrypter['secureInbound'] => {
      return async (raw, options) => {
        const secured = await secure.call(encrypter, raw, options);
        batchSends(secured.connection as Encrypted, raw);
        endReadsCheaply(secured.connection as Encrypted);
        return secured;
      };
    };
    encrypter.secureInbound = batching(encrypter.secureInbound);
    encrypter.secureOutbound = batching(encrypter.secureOutbound);
    return encrypter;
  };
}

/** Has what is sent on a connection within one turn leave together. */
export function batchSends(connection: Encrypted, raw: MessageStream): void {
  const { processSendQueue } = connection;
  raw.maxWriteBufferLength = meshLimits.heldBytesMax;
  let waiting: NodeJS.Immediate | undefined;
  /** Frames since the peer last read. Streams wait for it; answers of the muxer (pings, refused streams) do not. */
  let held = 0;
  const send = (): boolean => {
    clearImmediate(waiting);
    waiting = undefined;
    return processSendQueue();
  };
  const sendAtEndOfTurn = (): void => {
    try {
      send();
    } catch {
      // The connection is aborted, and tells its streams why.
    }
  };
  connection.processSendQueue = () => {
    held = connection.writableNeedsDrain ? held + 1 : 0;
    if (held > meshLimits.heldFramesMax) {
      connection.abort(readsNothing(held));
      return false;
    }
    if (connection.writableNeedsDrain || connection.writeBufferLength >= waitingBytesMax) return send();
    waiting ??= setImmediate(sendAtEndOfTurn);
    return true;
  };
  // libp2p closes the raw connection once the muxer has said goodbye.
  for (const stream of [connection, raw]) {
    const { close } = stream;
    stream.close = (options) => {
      sendAtEndOfTurn();
      return close.call(stream, options);
    };
  }
}

const readsNothing = (frames: number): QuorateError =>
  new QuorateError('MESH_PEER_QUOTA', `${frames} frames wait for a peer that reads nothing`);

/**
 * The decoder reads a length after each message, and stops at a RangeError, whose stack trace is dear; a length that is not there yet
 * stops it as well.
 */
function endReadsCheaply({ decoder }: Encrypted): void {
  const { lengthDecoder } = decoder;
  decoder.lengthDecoder = (data) => (data.byteLength < 2 ? messageBytesMax : lengthDecoder(data));
}
