import { QuorateError } from '../protocol/base/errors.ts';

/** An error and all errors it wraps, outermost first. */
function* chain(error: unknown): Iterable<Error> {
  if (!(error instanceof Error)) return;
  yield error;
  if (error instanceof AggregateError) for (const inner of error.errors) yield* chain(inner);
  if (error.cause !== undefined) yield* chain(error.cause);
}

const has = (error: unknown, test: (e: Error) => boolean): boolean => {
  for (const e of chain(error)) if (test(e)) return true;
  return false;
};

const TIMEOUTS = new Set(['TimeoutError', 'AbortError']);

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
  if (has(error, (e) => e.name === 'UnsupportedProtocolError')) {
    return new QuorateError(
      'MESH_PROTOCOL_UNKNOWN',
      `${peer} does not speak ${protocol ?? 'this protocol'}`,
      {
        hint: 'The peer runs another version or another role.',
        cause: error,
      },
    );
  }
  if (has(error, (e) => e.name === 'TooManyOutboundProtocolStreamsError')) {
    return new QuorateError('MESH_PEER_QUOTA', `too many open channels to ${peer}`, {
      hint: 'Close channels that are no longer used.',
      cause: error,
    });
  }
  if (error instanceof Error && TIMEOUTS.has(error.name)) {
    return new QuorateError('MESH_TIMEOUT', `no answer in time from ${where}`, {
      hint: 'The peer may be overloaded or behind a firewall that drops packets.',
      cause: error,
    });
  }
  let cause = error;
  if (isIncompleteDial(error)) {
    cause = new QuorateError('MESH_BUSY', `${where} took the connection and did not complete it`, {
      hint: 'It may be overloaded, or have as many new connections as it takes: try again in a moment.',
      cause,
    });
    if (!has(error, isOtherPeer)) return cause as QuorateError;
  }
  return new QuorateError('MESH_UNREACHABLE', `could not reach ${where}`, {
    hint: 'Check that the peer is running and that its address and port can be reached from here.',
    cause,
  });
}

export function listenError(error: unknown, listen: string[]): QuorateError {
  const text = error instanceof Error ? error.message : String(error);
  if (/EADDRINUSE/.test(text)) {
    return new QuorateError('MESH_LISTEN_FAILED', `another program already listens on ${listen.join(', ')}`, {
      hint: 'Choose another port or stop the other program.',
      cause: error,
    });
  }
  return new QuorateError('MESH_LISTEN_FAILED', `could not listen on ${listen.join(', ')}`, {
    hint: 'The address must belong to this computer and the port must be allowed for this user.',
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
