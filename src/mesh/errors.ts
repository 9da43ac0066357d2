import { messageOf, QuorateError } from '../protocol/base/errors.ts';
import type { MeshErrorCode } from './error-codes.ts';

/** An error and all errors it wraps, outermost first. */
function* chain(error: unknown): Iterable<Error> {
  if (!(error instanceof Error)) return;
  yield error;
  if (error instanceof AggregateError) for (const inner of error.errors) yield* chain(inner);
  if (error.cause !== undefined) yield* chain(error.cause);
}

const has = (error: unknown, test: (e: Error) => boolean): boolean => [...chain(error)].some(test);

const BROKEN = new Set<unknown>(['ECONNRESET', 'EPIPE']);

/**
 * A handshake that a busy peer broke off, or left unanswered. Code or whole message of the socket's error: a message may quote an
 * address.
 */
const isIncomplete = ({ name, message, code }: Error & { code?: unknown }): boolean =>
  BROKEN.has(code) ||
  /^(?:read|write) (?:ECONNRESET|EPIPE)$/.test(message) ||
  (name === 'EncryptionFailedError' && message.includes('aborted due to timeout'));

/** Whether a peer took one of the connections that were tried and did not complete it. */
export const isIncompleteDial = (error: unknown): boolean => has(error, isIncomplete);

/** Another key answers at one of the addresses: that of a stranger, or a new one of the peer, which a search finds. */
const isOtherPeer = ({ message }: Error): boolean =>
  message.includes('does not match expected remote identity key');

/** Maps a failure of a dial or of opening a stream to a `MESH_*` code. */
export function dialError(error: unknown, peer: string, tried: string[], protocol?: string): QuorateError {
  if (error instanceof QuorateError) return error;
  const where = tried.length > 0 ? `${peer} at ${tried.join(', ')}` : peer;
  const made = (code: MeshErrorCode, says: string, hint: string, cause: unknown = error) =>
    new QuorateError(code, says, { hint, cause });
  if (has(error, ({ name }) => name === 'UnsupportedProtocolError')) {
    const says = `${peer} does not speak ${protocol ?? 'this protocol'}`;
    return made('MESH_PROTOCOL_UNKNOWN', says, 'The peer runs another version or another role.');
  }
  if (has(error, ({ name }) => name === 'TooManyOutboundProtocolStreamsError')) {
    const says = `too many open channels to ${peer}`;
    return made('MESH_PEER_QUOTA', says, 'Close channels that are no longer used.');
  }
  if (error instanceof Error && ['TimeoutError', 'AbortError'].includes(error.name)) {
    const hint = 'The peer may be overloaded or behind a firewall that drops packets.';
    return made('MESH_TIMEOUT', `no answer in time from ${where}`, hint);
  }
  const isIncomplete = isIncompleteDial(error);
  const tryAgain =
    'It may be overloaded, or have as many new connections as it takes: try again in a moment.';
  const busy = made('MESH_BUSY', `${where} took the connection and did not complete it`, tryAgain);
  if (isIncomplete && !has(error, isOtherPeer)) return busy;
  const hint = 'Check that the peer is running and that its address and port can be reached from here.';
  return made('MESH_UNREACHABLE', `could not reach ${where}`, hint, isIncomplete ? busy : error);
}

export function listenError(error: unknown, listen: string[]): QuorateError {
  const isTaken = /EADDRINUSE/.test(messageOf(error));
  const says = isTaken ? 'another program already listens' : 'could not listen';
  return new QuorateError('MESH_LISTEN_FAILED', `${says} on ${listen.join(', ')}`, {
    hint: isTaken
      ? 'Stop the other program, or choose another port: --listen <address>'
      : 'The address of --listen must belong to this computer, and its port must be allowed for this user.',
    cause: error,
  });
}

export function addressError(address: string, cause?: unknown): QuorateError {
  return new QuorateError('MESH_ADDRESS_INVALID', `not a usable peer address: ${address}`, {
    hint: 'Addresses look like /ip4/192.0.2.1/tcp/4001/p2p/12D3KooW…',
    cause,
  });
}

export const tooLarge = (bytes: number, max: number, what: string): QuorateError =>
  new QuorateError('MESH_MESSAGE_TOO_LARGE', `${what} of ${bytes} bytes exceeds the limit of ${max}`, {
    hint: 'Send it in parts or through the artifact store.',
  });
