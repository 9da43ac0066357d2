import { describe, expect, it, onTestFinished } from 'vitest';
import { ControllerSessions } from '../../../src/core/sessions/controller/controller-sessions.ts';
import type { ControllerPorts } from '../../../src/core/sessions/controller/ports.ts';
import type { Channel, ReceiveOptions } from '../../../src/core/sessions/ports.ts';
import { fromUtf8, toUtf8 } from '../../../src/core/text.ts';
import {
  bytesMaxOf,
  checkKind,
  checkLength,
  type MessageBound,
  messageBounds,
  type Sender,
  type Standing,
} from '../../../src/core/wire/bounds.ts';
import { encodeMessage, type LeaseUp } from '../../../src/core/wire/messages.ts';
import { protocols } from '../../../src/core/wire/protocols.ts';
import { codeOf } from '../../runtime/support.ts';
import { type Bench, projectOf } from '../controller/bench.ts';

const senders: Sender[] = ['anyone', 'member', 'holder', 'asked'];
type Protocol = keyof typeof messageBounds;
const receiptBytesMax = 500_000;
const standing = (sender: Sender): Standing => ({
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
        checkLength(protocol, standing(sender), bytes);
        checkKind(protocol, standing(sender), { kind, bytes });
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

/** A peer that says these things, the next after each answer or when nothing is answered; counts what is read of it. */
class Said implements Channel {
  readonly peer: string;
  readonly answers: { kind: string; code?: string }[] = [];
  read = 0;
  closed = false;
  readonly #messages: Uint8Array[];

  constructor(peer: string, ...messages: (object | Uint8Array)[]) {
    this.peer = peer;
    this.#messages = messages.map((one) => (one instanceof Uint8Array ? one : encodeMessage(one)));
  }

  async receive({ admit }: ReceiveOptions = {}): Promise<Uint8Array | undefined> {
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
      closing: false,
      onClosing: () => () => {},
    },
    machine: bench.controller,
    dispatch: (event) => void bench.send(event),
    charge(account, turns) {
      charged.push([account, turns]);
      return 0;
    },
    keepConnection: () => () => {},
    logFiles: { create: async () => ({ write() {}, async end() {} }), async *read() {} },
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
    const most = bytesMaxOf(protocol, standing(sender));
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
