import type { Connection } from '@libp2p/interface';
import { expect, it } from 'vitest';
import { dialError, listenError } from '../../src/mesh/errors.ts';
import { ConnectionLink } from '../../src/mesh/link.ts';
import { reportedError } from '../../src/protocol/base/errors.ts';

const named = (name: string, message = '') => Object.assign(new Error(message), { name });
const wrapped = (error: Error) => new Error('outer', { cause: new AggregateError([new Error('x'), error]) });
const coded = (code: string, message: string) => Object.assign(new Error(message), { code });
/** One address breaks the handshake off; at the other one is somebody else. */
const notThere = new AggregateError([
  new Error('read ECONNRESET'),
  named('EncryptionFailedError', 'Payload identity key a does not match expected remote identity key b'),
]);

it.each<[string, Error, string]>([
  ['an unknown protocol', named('UnsupportedProtocolError'), 'MESH_PROTOCOL_UNKNOWN'],
  ['the same, wrapped', wrapped(named('UnsupportedProtocolError')), 'MESH_PROTOCOL_UNKNOWN'],
  ['too many streams', named('TooManyOutboundProtocolStreamsError'), 'MESH_PEER_QUOTA'],
  ['a time-out', named('TimeoutError'), 'MESH_TIMEOUT'],
  ['an end by its caller', named('AbortError'), 'MESH_TIMEOUT'],
  ['a time-out of one address of several', wrapped(named('TimeoutError')), 'MESH_UNREACHABLE'],
  ['a handshake broken off', wrapped(new Error('read ECONNRESET')), 'MESH_BUSY'],
  ['another one', new Error('write EPIPE'), 'MESH_BUSY'],
  ['one without an answer', named('EncryptionFailedError', 'aborted due to timeout'), 'MESH_BUSY'],
  ['one that the socket tells of', coded('ECONNRESET', 'connection error 192.0.2.1:1'), 'MESH_BUSY'],
  ['an address named like one', coded('ENOTFOUND', 'no address of ECONNRESET EPIPE'), 'MESH_UNREACHABLE'],
  ['a handshake that fails', named('EncryptionFailedError', 'another key'), 'MESH_UNREACHABLE'],
  ['anything else', new Error('ECONNREFUSED'), 'MESH_UNREACHABLE'],
  ['no error', 'text' as unknown as Error, 'MESH_UNREACHABLE'],
])('a dial that fails has the code of its reason: %s', (_, error, code) => {
  const found = dialError(error, 'peer', ['/ip4/192.0.2.1/tcp/1'], '/quorate/x/1');
  expect(found).toMatchObject({ code, cause: error });
  expect(found.message).toContain('peer');
});

it('another key at one of two addresses leaves it to the caller to search, and to wait for the other one', () => {
  const cause = { code: 'MESH_BUSY', cause: notThere };
  expect(dialError(notThere, 'peer', [])).toMatchObject({ code: 'MESH_UNREACHABLE', cause });
});

it.each([
  [[], 'could not reach peer'],
  [['/ip4/192.0.2.1/tcp/1', '/x'], 'could not reach peer at /ip4/192.0.2.1/tcp/1, /x'],
])('a dial that fails names the addresses that were tried: %j', (tried, message) => {
  expect(dialError(new Error('no'), 'peer', tried).message).toBe(message);
});

it.each([
  [new Error('listen EADDRINUSE: address already in use'), 'another program already listens on /x'],
  [new Error('listen EACCES'), 'could not listen on /x'],
  ['EADDRINUSE', 'another program already listens on /x'],
])('an address that cannot be listened on: %s', (cause, message) => {
  const hint = expect.stringContaining('--listen');
  expect(listenError(cause, ['/x'])).toMatchObject({ code: 'MESH_LISTEN_FAILED', cause, message, hint });
});

it('an error that has a code keeps it', () => {
  const error = reportedError('MESH_RESET', 'reset');
  expect(dialError(error, 'peer', [])).toBe(error);
});

it('a stream that cannot be opened on a connection has the same codes, within ten seconds', async () => {
  const asked: { signal?: AbortSignal; maxOutboundStreams?: number; runOnLimitedConnection?: boolean }[] = [];
  const connection = {
    remotePeer: 'peer',
    newStream: async (_protocol: string, options: object) => {
      asked.push(options);
      throw named('UnsupportedProtocolError');
    },
  } as unknown as Connection;
  const ranks = { rankOf: () => 'guest' as const };
  const link = new ConnectionLink(connection, { messagesTooLarge: 0 } as never, ranks);
  const opened = link.open('/quorate/x/1', { maxMessageBytes: 5 });
  await expect(opened).rejects.toMatchObject({ code: 'MESH_PROTOCOL_UNKNOWN' });
  expect(asked).toMatchObject([{ maxOutboundStreams: 256, runOnLimitedConnection: true }]);
  const reason = new Error('enough');
  const ended = link.open('/quorate/x/1', { maxMessageBytes: 5, signal: AbortSignal.abort(reason) });
  await expect(ended).rejects.toThrow();
  expect(asked[1]?.signal?.reason).toBe(reason);
});
