import { describe, expect, it, onTestFinished } from 'vitest';
import { ControllerSessions } from '../../../src/controller/sessions/controller-sessions.ts';
import type { ControllerPorts } from '../../../src/controller/sessions/ports.ts';
import { meshLimits } from '../../../src/mesh/limits.ts';
import { Buckets } from '../../../src/mesh/token-buckets.ts';
import { fromUtf8, toUtf8 } from '../../../src/protocol/base/text.ts';
import { Admission } from '../../../src/protocol/sessions/admission.ts';
import { sessionLimits } from '../../../src/protocol/sessions/limits.ts';
import type { MessageStream } from '../../../src/protocol/sessions/message-stream.ts';
import type { Channel, Clock, ReceiveOptions } from '../../../src/protocol/sessions/ports.ts';
import {
  bytesMaxOf,
  checkKind,
  checkLength,
  type MessageBound,
  messageBounds,
  type Sender,
  type SendRights,
  servedBounds,
} from '../../../src/protocol/wire/bounds.ts';
import { encodeMessage, type LeaseUp } from '../../../src/protocol/wire/messages.ts';
import { protocols } from '../../../src/protocol/wire/protocols.ts';
import { type Bench, projectOf } from '../../controller/machine/bench.ts';
import { codeOf } from '../../support/code-and-folder.ts';
import { started } from './started.ts';

const senders: Sender[] = ['anyone', 'member', 'holder', 'asked'];
type Protocol = keyof typeof messageBounds;
const receiptBytesMax = 500_000;
const sendRights = (sender: Sender): SendRights => ({
  sender,
  ...(sender === 'anyone' || sender === 'member' ? {} : { receiptBytesMax }),
});

const lines = (Object.keys(messageBounds) as Protocol[]).flatMap((protocol) =>
  Object.entries<MessageBound>(messageBounds[protocol].messages).map(
    ([kind, bound]) => [protocol, kind, bound] as const,
  ),
);

describe.each(lines)('%s: "%s"', (protocol, kind, { from, bytesMax, refused }) => {
  const most = bytesMax === 'receipt' ? receiptBytesMax : bytesMax;

  it.each(senders)('from %s', async (sender) => {
    const check = (bytes: number) =>
      codeOf(() => {
        checkLength(protocol, sendRights(sender), bytes);
        checkKind(protocol, sendRights(sender), { kind, bytes });
      });
    const entitled = senders.indexOf(sender) >= senders.indexOf(from);
    const refusals = [refused, 'WIRE_TOO_LARGE', firstRefusal(protocol)];
    if (entitled) expect(await check(most)).toBeUndefined();
    else expect(refusals).toContain(await check(1));
    expect(refusals).toContain(await check(most + 1));
  });
});

const firstRefusal = (protocol: Protocol) =>
  Object.values<MessageBound>(messageBounds[protocol].messages)[0]?.refused;

it.each(Object.keys(messageBounds) as Protocol[])(
  '%s: a peer can use its streams, and pay for them',
  (protocol) => {
    const { maxInboundStreams, perPeerPerMinute } = servedBounds(protocol);
    expect(maxInboundStreams).toBeLessThanOrEqual(meshLimits.outboundStreamsMax);
    expect(maxInboundStreams).toBeLessThanOrEqual(perPeerPerMinute);
    expect(perPeerPerMinute * meshLimits.streamTurns).toBeLessThanOrEqual(60 * meshLimits.turnsPerSecond);
  },
);

/** A peer that says these things, the next after each answer or when nothing is answered; counts what is read of it. */
class Said implements Channel {
  readonly peer: string;
  readonly answers: { kind: string; code?: string }[] = [];
  /** Milliseconds for which each message is waited for. */
  readonly waits: (number | undefined)[] = [];
  read = 0;
  closed = false;
  readonly #messages: Uint8Array[];

  constructor(peer: string, ...messages: (object | Uint8Array)[]) {
    this.peer = peer;
    this.#messages = messages.map((one) => (one instanceof Uint8Array ? one : encodeMessage(one)));
  }

  async receive({ admit, timeoutMs }: ReceiveOptions = {}): Promise<Uint8Array | undefined> {
    this.waits.push(timeoutMs);
    const next = this.#messages.shift();
    if (next === undefined) return undefined;
    await admit?.(next.length);
    this.read += next.length;
    return next;
  }

  async send(message: Uint8Array): Promise<void> {
    this.answers.push(JSON.parse(fromUtf8(message)));
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  abort(): void {
    this.closed = true;
  }
}

/** The sessions of a controller that opens no document: `opened` counts how often one would have been. */
function serve(bench: Bench, charged: [string, number][] = []) {
  const counted = { opened: 0 };
  const { verifier } = bench.paper.keys;
  const unread = async (): Promise<never> => {
    counted.opened++;
    throw new Error('no document is opened here');
  };
  const sessions = new ControllerSessions({
    project: bench.paper.project,
    signing: {
      signer: bench.paper.controller,
      documents: { message: unread, receipt: unread, verdict: unread, verifier },
      nonce: () => 'A'.repeat(24),
    },
    idp: bench.paper.idp,
    clock: {
      now: () => bench.now,
      monotonic: () => 0,
      after: () => () => {},
      endOfTurn: queueMicrotask,
      closing: false,
      onClosing: () => () => {},
    },
    inquiry: started,
    machine: bench.controller,
    dispatch: async (event) => void bench.send(event),
    charge(account, turns) {
      charged.push([account, turns]);
      return 0;
    },
    logFiles: {
      create: async () => ({ write() {}, async end() {} }),
      async *read() {},
      async keepTimes() {},
      times: async () => undefined,
    },
    feedUrls: () => [],
    tell: () => {},
  } as Partial<ControllerPorts> as ControllerPorts);
  const session = async (protocol: Protocol, said: Said): Promise<string[]> => {
    const served = sessions.served.find((one) => one.protocol === protocols[protocol as 'feed']);
    if (served === undefined) throw new Error(`${protocol} is not served`);
    await served.session(said).catch((error) => said.answers.push({ kind: 'error', code: error.code }));
    return said.answers.flatMap(({ code }) => code ?? []);
  };
  return { session, counted };
}

describe('a controller', () => {
  const served: Protocol[] = ['feed', 'lease', 'log', 'api'];
  const peers: [string, Sender][] = [
    ['stranger', 'anyone'],
    ['bob', 'member'],
  ];

  const pairs = served.flatMap((protocol) => peers.map(([who, sender]) => [protocol, who, sender] as const));
  it.each(pairs)('reads nothing on %s that a %s is not to send', async (protocol, who, sender) => {
    const bench = await projectOf('bob');
    const { session, counted } = serve(bench);
    const most = bytesMaxOf(protocol, sendRights(sender));
    const said = new Said(bench.id(who), new Uint8Array(most + 1));
    const [code] = await session(protocol, said);
    expect(code).toBe(most === 0 ? 'KEY_NOT_ENROLLED' : 'WIRE_TOO_LARGE');
    expect({ read: said.read, ...counted }).toEqual({ read: 0, opened: 0 });
  });

  it('control: reads a stranger’s receipt where the table lets anyone send one', async () => {
    const messages: Record<string, MessageBound> = messageBounds.lease.messages;
    const bound = messages.receipt;
    if (bound === undefined) throw new Error('the table has a line for receipts');
    onTestFinished(() => {
      messages.receipt = bound;
    });
    const frame = encodeMessage({ kind: 'receipt', envelope: 'x'.repeat(500_000) });
    const readOf = async () => {
      const bench = await projectOf('bob');
      const said = new Said(bench.id('stranger'), frame);
      await serve(bench).session('lease', said);
      return said.read;
    };
    expect(await readOf()).toBe(0);
    messages.receipt = { ...bound, from: 'anyone', bytesMax: frame.length };
    expect(await readOf()).toBe(frame.length);
  });

  it.each<[LeaseUp]>([
    [{ kind: 'receipt', envelope: 'x' }],
    [{ kind: 'cosigned', verdict: 'a'.repeat(64), signature: 'x', witness: 'x' }],
    [{ kind: 'cosign-refused', code: 'SOME_CODE', message: 'x' }],
  ])('opens nothing of a member that holds no lease: %j', async (message) => {
    const bench = await projectOf('bob');
    const { session, counted } = serve(bench);
    const [code] = await session('lease', new Said(bench.id('bob'), message));
    expect(code).toBe((messageBounds.lease.messages[message.kind] as MessageBound).refused);
    expect(counted.opened).toBe(0);
  });

  it.each<[Protocol, number]>([
    ['feed', 90_000],
    ['lease', 120_000],
    ['log', 10_000],
    ['api', 10_000],
  ])('waits on %s for a peer that says nothing for %i ms', async (protocol, ms) => {
    const bench = await projectOf('bob');
    const said = new Said(bench.id('bob'));
    await serve(bench).session(protocol, said);
    expect(said.waits).toEqual([ms]);
  });

  it('counts a stranger’s as a stranger’s where one may say what a member may, since the journal was restored', async () => {
    const bench = await projectOf('bob');
    bench.controller.state.recovered = true;
    const turnsOf = async (who: string) => {
      const charged: [string, number][] = [];
      await serve(bench, charged).session('feed', new Said(bench.id(who), { kind: 'poll' }));
      return charged[0]?.[1] ?? 0;
    };
    expect((await turnsOf('stranger')) / (await turnsOf('bob'))).toBe(sessionLimits.strangerFactor);
  });

  it('counts what a message and its answer cost, before the next one is read', async () => {
    const bench = await projectOf('bob');
    const charged: [string, number][] = [];
    const { session } = serve(bench, charged);
    const question = { kind: 'log', from: 0 };
    await session('api', new Said(bench.id('bob'), question));
    expect(charged.map(([account]) => account)).toEqual([bench.id('bob'), bench.id('bob')]);
    expect(charged[0]?.[1]).toBeGreaterThan(1);
    expect(charged[1]?.[1]).toBeGreaterThan(0);
  });
});

it('a message is what its bytes say, whoever wrote them', () => {
  expect(encodeMessage({ kind: 'poll', left: undefined })).toEqual(toUtf8('{"kind":"poll"}'));
});

/** Milliseconds that a peer waits for its turns, which says these things so many times a second for a minute. */
async function waited(
  isMember: boolean,
  perSecond: number,
  said: [Protocol, string, number][],
): Promise<number> {
  const pace = new Buckets(meshLimits.turnsPerSecond, meshLimits.turnsBurst);
  let now = 0;
  let waits = 0;
  const clock = {
    closing: false,
    after(ms: number, act: () => void) {
      now += ms;
      waits += ms;
      queueMicrotask(act);
      return () => {};
    },
    onClosing: () => () => {},
  } as unknown as Clock;
  const admission = new Admission(
    { clock, charge: (who, turns) => pace.charge(who, turns, now) },
    () => isMember,
  );
  const sendRights = isMember ? { sendRights: (): SendRights => ({ sender: 'asked', receiptBytesMax }) } : {};
  for (let n = 0; n < 60 * perSecond; n++) {
    now += 1000 / perSecond;
    for (const [protocol, kind, bytes] of said) {
      const stream = {
        peer: 'peer',
        channel: { peer: 'peer' },
        receiveSized: async ({ admit }: ReceiveOptions) => {
          await admit?.(bytes);
          return { message: { kind }, bytes };
        },
      } as unknown as MessageStream<never, { kind: string }>;
      await admission.receive(stream, { protocol, timeoutMs: 1, ...sendRights });
    }
  }
  return waits;
}

describe('turns', () => {
  const build: [Protocol, string, number][] = [
    ['lease', 'claim', 4_000],
    ['lease', 'claim', 4_000],
    ['lease', 'receipt', 5_000],
    ['lease', 'cosigned', 800],
    ['lease', 'heartbeat', 20],
    ['api', 'checkpoint', 60],
    ['api', 'inclusion', 60],
    ['api', 'log', 40],
  ];

  it('suffice for a worker that builds 15 runs a second', async () => {
    expect(await waited(true, 15, build)).toBe(0);
  });

  it.each<[string, [Protocol, string, number]]>([
    ['claims', ['lease', 'claim', 4_000]],
    ['heartbeats', ['lease', 'heartbeat', 20]],
    ['proofs', ['api', 'inclusion', 60]],
  ])('hold up a member that floods with %s', async (_, one) => {
    // Two thousand a second, of which a minute's worth is read in no less than this.
    expect(await waited(true, 2_000, [one])).toBeGreaterThan(200_000);
  });

  it('hold up a stranger twice as much as a member', async () => {
    const flood: [Protocol, string, number][] = [['api', 'show', 40]];
    const [stranger, member] = [await waited(false, 300, flood), await waited(true, 300, flood)];
    expect(stranger / member).toBeGreaterThan(1.9);
  });
});
