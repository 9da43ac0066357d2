import { assert, type ErrorCode, QuorateError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { ApiUp, BundleUp, CosignUp, FeedUp, IdpUp, LeaseUp, PinUp } from './messages.ts';

/**
 * Standings of a peer, each with those before it. `anyone` has proven its key, `member` is enrolled, `holder` holds this stream's
 * lease, `asked` was asked on this stream to co-sign.
 */
const senders = ['anyone', 'member', 'holder', 'asked'] as const;
export type Sender = (typeof senders)[number];

export interface MessageBound {
  /** The least a peer must be to send it. */
  from: Sender;
  /** Length of the message on the wire. `receipt`: what a receipt of the job may have (`receiptBytesMax`). */
  bytesMax: number | 'receipt';
  /** Answer to a peer that is less. */
  refused: ErrorCode;
  /** Turns that it takes, beside those for its length: what it costs, measured in claims. Default: 1. */
  turns?: number;
}

interface ProtocolBound<Kind extends string> {
  /** Streams that one peer may have open. */
  streams: number;
  /** Streams that one peer may open in a minute. */
  streamsPerMinute: number;
  messages: Readonly<Record<Kind, MessageBound>>;
}

/** A question, a heartbeat, a claim: a few names and ids, and at most two signed documents without lists. */
const smallBytes = 8 * 1024;

const byAnyone = { from: 'anyone', bytesMax: smallBytes, refused: 'WIRE_INVALID' } as const;
const byMember = { from: 'member', bytesMax: smallBytes, refused: 'KEY_NOT_ENROLLED' } as const;
const whenAsked = { from: 'asked', bytesMax: smallBytes, refused: 'COSIGN_NOT_ASKED' } as const;

const table = <T extends Record<string, ProtocolBound<string>>>(bounds: T): T => bounds;

/** Senders and size of each message of each protocol. A server asks before it reads one, from its length, and again by its kind. */
export const messageBounds = table({
  feed: {
    streams: 4,
    streamsPerMinute: 240,
    messages: {
      hello: byMember,
      poll: byMember,
      // A signature line.
      witness: { ...byMember, bytesMax: 1024 },
    } satisfies Record<FeedUp['kind'], MessageBound>,
  },
  lease: {
    streams: 64,
    streamsPerMinute: 600,
    messages: {
      claim: byMember,
      resume: byMember,
      heartbeat: { ...byMember, turns: 0.25 },
      receipt: { from: 'holder', bytesMax: 'receipt', refused: 'RECEIPT_STALE_FENCE' },
      // Its lease may be over by now, which is no mistake of the sender.
      failed: byMember,
      cosigned: whenAsked,
      'cosign-refused': whenAsked,
    } satisfies Record<LeaseUp['kind'], MessageBound>,
  },
  cosign: {
    streams: 4,
    streamsPerMinute: 240,
    messages: {
      hello: byMember,
      heartbeat: { ...byMember, turns: 0.25 },
      // A refusal has a sentence of up to two thousand characters for each draft.
      answered: { ...whenAsked, bytesMax: 128 * 1024 },
    } satisfies Record<CosignUp['kind'], MessageBound>,
  },
  log: {
    streams: 64,
    // As many as leases.
    streamsPerMinute: 600,
    messages: {
      header: byMember,
      output: { from: 'holder', bytesMax: limits.documentBytesMax, refused: 'LOG_NO_LEASE' },
    },
  },
  api: {
    streams: 32,
    streamsPerMinute: 600,
    messages: {
      charter: byAnyone,
      log: byAnyone,
      // Proofs of the log: hashes that are there, and no signature to check.
      checkpoint: { ...byAnyone, turns: 0.5 },
      inclusion: { ...byAnyone, turns: 0.25 },
      // An invite may have sixteen addresses; three signed documents.
      enrol: { ...byAnyone, bytesMax: 2 * smallBytes },
      renew: byMember,
      submit: { ...byMember, bytesMax: limits.documentBytesMax },
      // Of publishers, as the grant in it says.
      bring: byMember,
      jobs: byAnyone,
      show: byAnyone,
      follow: byAnyone,
      // It proves by itself who says so, and an owner brings it with any key. The end of a key lists up to a thousand ids.
      revoke: { ...byAnyone, bytesMax: 12 * smallBytes },
      // It proves itself as well, and comes from whoever found it.
      equivocation: { ...byAnyone, bytesMax: 2 * limits.equivocationCharsMax },
      cancel: byMember,
      // As `bring`.
      acknowledge: byMember,
      logs: byAnyone,
    } satisfies Record<ApiUp['kind'], MessageBound>,
  },
  bundle: {
    streams: 8,
    streamsPerMinute: 240,
    messages: { which: byAnyone } satisfies Record<keyof BundleUp, MessageBound>,
  },
  idp: {
    // A controller asks several questions at once.
    streams: 32,
    streamsPerMinute: 1200,
    messages: {
      // The root's signature proves it. One with every list full has fifty kilobytes.
      charter: { ...byAnyone, bytesMax: 64 * 1024 },
      // As `enrol` of the API. Of the controllers in the charter.
      grant: { ...byMember, bytesMax: 2 * smallBytes, refused: 'IDP_CONTROLLER_UNKNOWN' },
    } satisfies Record<IdpUp['kind'], MessageBound>,
  },
  pin: {
    // A store opens none of these but for a controller that the charter names, whatever their bounds.
    streams: 64,
    streamsPerMinute: 600,
    // Up to eight peers with up to eight addresses.
    messages: { pin: { ...byAnyone, bytesMax: 4 * smallBytes } } satisfies Record<
      PinUp['kind'],
      MessageBound
    >,
  },
  revocations: {
    streams: 4,
    streamsPerMinute: 120,
    messages: { ask: byAnyone, checkpoint: byAnyone, held: byAnyone, leaves: byAnyone },
  },
  car: {
    streams: 8,
    // A controller fetches the tree of each run from one of those who built it.
    streamsPerMinute: 1200,
    // A thousand CIDs.
    messages: { roots: { ...byAnyone, bytesMax: 128 * 1024 } },
  },
  'peer-exchange': {
    streams: 4,
    streamsPerMinute: 120,
    messages: { members: byAnyone },
  },
});

const sizes = Object.values<ProtocolBound<string>>(messageBounds).flatMap(({ messages }) =>
  Object.values(messages).flatMap(({ bytesMax }) => (bytesMax === 'receipt' ? [] : [bytesMax])),
);
assert(Math.max(...sizes) <= limits.documentBytesMax, 'no message but a receipt is longer than a document');

/** Messages that a peer may send on a stream now. */
export interface SendRights {
  sender: Sender;
  /** Of a holder: the largest receipt of its job. */
  receiptBytesMax?: number;
}

const rank = (sender: Sender): number => senders.indexOf(sender);

function bytesOf({ bytesMax }: MessageBound, { receiptBytesMax = 0 }: SendRights): number {
  return bytesMax === 'receipt' ? receiptBytesMax : bytesMax;
}

/** The longest message that a peer may send now; 0 where it may send none. */
export function bytesMaxOf(protocol: keyof typeof messageBounds, sendRights: SendRights): number {
  const bounds: ProtocolBound<string> = messageBounds[protocol];
  const open = Object.values(bounds.messages).filter(({ from }) => rank(from) <= rank(sendRights.sender));
  return Math.max(0, ...open.map((bound) => bytesOf(bound, sendRights)));
}

/**
 * Whether a message of this length may be read.
 * @throws {QuorateError} `WIRE_TOO_LARGE`, or the `refused` code of the protocol's first message where the peer may send nothing
 */
export function checkLength(
  protocol: keyof typeof messageBounds,
  sendRights: SendRights,
  bytes: number,
): void {
  const most = bytesMaxOf(protocol, sendRights);
  if (bytes <= most) return;
  const [first] = Object.values<MessageBound>(messageBounds[protocol].messages);
  assert(first !== undefined, 'each protocol has a message');
  if (most === 0) throw refusal(first, protocol);
  throw new QuorateError(
    'WIRE_TOO_LARGE',
    `the message has ${bytes} bytes; at most ${most} are read from this peer on /quorate/${protocol} now`,
  );
}

/** Turns that a message of this kind takes, beside those for its length. */
export function turnsOf(protocol: keyof typeof messageBounds, kind: string): number {
  const { messages }: ProtocolBound<string> = messageBounds[protocol];
  return messages[kind]?.turns ?? 1;
}

/** Whether a message of this kind may be handled, which was read. @throws the `refused` code of its line, `WIRE_TOO_LARGE`. */
export function checkKind(
  protocol: keyof typeof messageBounds,
  sendRights: SendRights,
  { kind, bytes }: { kind: string; bytes: number },
): void {
  const { messages }: ProtocolBound<string> = messageBounds[protocol];
  const bound = messages[kind];
  assert(bound !== undefined, 'each message has a line in the table');
  if (rank(bound.from) > rank(sendRights.sender)) throw refusal(bound, kind);
  const most = bytesOf(bound, sendRights);
  if (bytes > most)
    throw new QuorateError(
      'WIRE_TOO_LARGE',
      `the message "${kind}" has ${bytes} bytes; at most ${most} are read`,
    );
}

const needed: Readonly<Record<Sender, string>> = {
  anyone: 'a peer',
  member: 'an enrolled key',
  holder: 'a lease that is not over, on this stream',
  asked: 'having been asked to co-sign, on this stream',
};

function refusal({ from, refused }: MessageBound, what: string): QuorateError {
  return new QuorateError(refused, `"${what}" takes ${needed[from]}`);
}

/** Bounds of a protocol for whoever serves it: its streams, and its longest message, whoever sends that. */
export function servedBounds(protocol: keyof typeof messageBounds) {
  const { streams, streamsPerMinute } = messageBounds[protocol];
  return {
    maxInboundStreams: streams,
    perPeerPerMinute: streamsPerMinute,
    maxMessageBytes: bytesMaxOf(protocol, { sender: 'asked', receiptBytesMax: limits.receiptBytesMax }),
  };
}

/** The same where the sessions of the protocol charge for nothing: each message takes the turns of the dearest one. */
export function meteredBounds(protocol: keyof typeof messageBounds) {
  const { messages }: ProtocolBound<string> = messageBounds[protocol];
  return {
    ...servedBounds(protocol),
    turns: Math.max(...Object.keys(messages).map((kind) => turnsOf(protocol, kind))),
  };
}
