import { describe, expect, it } from 'vitest';
import type { RunFacts } from '../../../src/controller/machine/facts.ts';
import { type LogAnswerPorts, sendLogs } from '../../../src/controller/sessions/log-answers.ts';
import { nodeClock } from '../../../src/node/ports.ts';
import type { MessageStream } from '../../../src/protocol/sessions/message-stream.ts';
import type { Clock } from '../../../src/protocol/sessions/ports.ts';
import type { ApiDown, ApiUp } from '../../../src/protocol/wire/messages.ts';

const lease = 'ab'.repeat(32);
const asker = 'the publisher';

/** Answers to `logs` of a run that is over, with one recorded receipt. Its log comes after `comesMs`, in ms. */
async function answers(comesMs: number, follow: boolean): Promise<{ sent: unknown[]; waited: number }> {
  let waited = 0;
  const hasCome = () => waited >= comesMs;
  const after: Clock['after'] = (ms, act) => {
    const timer = setImmediate(() => {
      waited += ms;
      act();
    });
    return () => clearImmediate(timer);
  };
  const logs = {
    isLive: () => false,
    mayCome: () => !hasCome(),
    follow: () => undefined,
    async *read() {
      if (hasCome()) yield 'late\n';
    },
  };
  const recorded = { lease, worker: 'ada', operator: 'ada', slot: 0, round: 1 };
  const run = {
    id: 'run',
    request: { signer: asker },
    receipts: [recorded],
    phase: { kind: 'done' },
  } as unknown as RunFacts;
  const sent: unknown[] = [];
  const channel = { closed: false };
  const send = async (answer: ApiDown) =>
    void sent.push(answer.kind === 'output' ? answer.text : answer.kind);
  const stream = { peer: asker, channel, send } as unknown as MessageStream<ApiDown, ApiUp>;
  const clock = { ...nodeClock(new AbortController().signal), monotonic: () => waited, after };
  const ports = { logs, clock, machine: { state: { runs: new Map() } } } as unknown as LogAnswerPorts;
  await sendLogs(ports, stream, run, { kind: 'logs', which: 'run', follow });
  return { sent, waited };
}

it.each([true, false])(
  'the log of a short build that comes after its receipt is in the answer (follow: %s)',
  async (follow) => {
    expect(await answers(300, follow)).toMatchObject({ sent: ['late\n', 'end'] });
  },
);

it('the answer waits for a log that does not come less than five seconds', async () => {
  const { sent, waited } = await answers(Number.POSITIVE_INFINITY, true);
  expect(sent).toEqual(['end']);
  expect(waited).toBeGreaterThan(500);
  expect(waited).toBeLessThan(5_000);
});

describe('a question for logs', () => {
  const revealed = { revealed: true };
  const record = (n: number) => ({
    lease: `lease ${n}`,
    worker: `worker ${n}`,
    operator: `operator ${n}`,
    slot: n,
    round: 1,
  });
  /** The answers about a run that is over, of which these are recorded. */
  async function ask(
    { peer = asker, count = 2, isRevealed = true }: { peer?: string; count?: number; isRevealed?: boolean },
    worker?: string,
  ): Promise<unknown[]> {
    const run = {
      id: 'run',
      request: { signer: asker },
      phase: { kind: 'done' },
      receipts: Array.from({ length: count }, (_, n) => record(n)),
      rounds: isRevealed ? [revealed] : [{ revealed: false }],
    } as unknown as RunFacts;
    const logs = {
      isLive: () => false,
      mayCome: () => false,
      follow: () => undefined,
      async *read(of: string) {
        yield `log of ${of}`;
      },
    };
    const sent: unknown[] = [];
    const send = async (answer: ApiDown) =>
      void sent.push(answer.kind === 'output' ? answer.text : answer.kind);
    const stream = { peer, channel: { closed: false }, send } as unknown as MessageStream<ApiDown, ApiUp>;
    const clock = nodeClock(new AbortController().signal);
    const ports = { logs, clock, machine: { state: { runs: new Map() } } } as unknown as LogAnswerPorts;
    const question = { kind: 'logs', which: 'run', follow: false } as const;
    await sendLogs(ports, stream, run, worker === undefined ? question : { ...question, worker });
    return sent;
  }

  it('is answered with all logs, or those of an operator or of the end of a worker’s id', async () => {
    expect(await ask({})).toEqual(['log of lease 0', 'log of lease 1', 'end']);
    for (const worker of ['operator 1', 'worker 1', 'er 1'])
      expect(await ask({}, worker)).toEqual(['log of lease 1', 'end']);
    expect(await ask({ peer: 'somebody else' })).toHaveLength(3);
    expect(await ask({ count: 0 })).toEqual(['end']);
  });

  it('of somebody else about a sealed round is refused, whoever is asked for', async () => {
    for (const worker of [undefined, 'operator 1'])
      await expect(ask({ peer: 'somebody else', isRevealed: false }, worker)).rejects.toMatchObject({
        code: 'LOGS_SEALED',
      });
    expect(await ask({ isRevealed: false })).toHaveLength(3);
  });

  it('for a worker that there is not names those that there are, eight at most', async () => {
    const hint = async (count: number, peer = asker) =>
      ask({ count, peer }, 'nobody').catch((error) => {
        expect(error.code).toBe('LOGS_WORKER_UNKNOWN');
        return error.hint;
      });
    expect(await hint(0)).toBe('None has taken it yet.');
    expect(await hint(1)).toBe('There is: operator 0 worker 0');
    expect(await hint(2, 'somebody else')).toBe('There are: operator 0 worker 0, operator 1 worker 1');
    expect((await hint(9)).split(', ')).toHaveLength(8);
  });
});

it.each([
  [{ follow: false, times: true }, ['1+0', undefined]],
  [{ follow: false }, [undefined, undefined]],
  [{ follow: true, times: true }, [undefined, undefined]],
] as const)(
  'times of lines are in the first answer where they are asked for: %j',
  async (asked, expected) => {
    const run = {
      id: 'run',
      request: { signer: asker },
      phase: { kind: 'done' },
      rounds: [],
      receipts: [{ lease, worker: 'ada', operator: 'ada', slot: 0, round: 1 }],
    } as unknown as RunFacts;
    const logs = {
      isLive: () => false,
      mayCome: () => false,
      follow: () => undefined,
      times: async () => '1+0',
      async *read() {
        yield 'x'.repeat(33 * 1024);
      },
    };
    const sent: unknown[] = [];
    const send = async (answer: ApiDown) =>
      answer.kind === 'output' ? void sent.push(answer.times) : undefined;
    const stream = { peer: asker, channel: {}, send } as unknown as MessageStream<ApiDown, ApiUp>;
    const clock = nodeClock(new AbortController().signal);
    const ports = { logs, clock, machine: { state: { runs: new Map() } } } as unknown as LogAnswerPorts;
    await sendLogs(ports, stream, run, { kind: 'logs', which: 'run', ...asked });
    expect(sent).toEqual(expected);
  },
);

describe('the log of a build that runs', () => {
  const size = 32 * 1024;
  /** Follows one whose worker says this, each text at the next look, and then nothing more. */
  async function follow(texts: string[], { closesAt = Number.POSITIVE_INFINITY } = {}) {
    const [sent, waits]: [string[], number[]] = [[], []];
    const said = [...texts];
    let stopped = 0;
    let tell = (_text: string) => {};
    const run = {
      id: 'run',
      request: { signer: asker },
      phase: { kind: 'done' },
      rounds: [],
      receipts: [{ lease, worker: 'ada', operator: 'ada', slot: 0, round: 1 }],
    } as unknown as RunFacts;
    const channel = { closed: false };
    const clock = {
      ...nodeClock(new AbortController().signal),
      after: (ms: number, act: () => void) => {
        waits.push(ms);
        channel.closed = waits.length >= closesAt;
        const text = said.shift();
        if (text !== undefined) tell(text);
        setImmediate(act);
        return () => {};
      },
    };
    const logs = {
      isLive: () => said.length > 0,
      mayCome: () => false,
      follow: (_lease: string, listener: (text: string) => void) => {
        tell = listener;
        listener('before ');
        return () => void stopped++;
      },
      async *read() {},
    };
    const send = async (answer: ApiDown) =>
      void sent.push(answer.kind === 'output' ? answer.text : answer.kind);
    const stream = { peer: asker, channel, send } as unknown as MessageStream<ApiDown, ApiUp>;
    const ports = { logs, clock, machine: { state: { runs: new Map() } } } as unknown as LogAnswerPorts;
    await sendLogs(ports, stream, run, { kind: 'logs', which: 'run', follow: true });
    return { sent, waits, stopped };
  }

  it('is sent as it comes, in pieces of a bounded length, until it ends', async () => {
    const { sent, waits, stopped } = await follow(['a', 'x'.repeat(2 * size + 1)]);
    expect(sent.map((text) => (text.length > 9 ? text.length : text))).toEqual([
      ...['before ', 'a', size, size, 'x', 'end'],
    ]);
    expect([waits, stopped]).toEqual([[50, 50], 1]);
  });

  it('is sent no more to who has left', async () => {
    const { sent, stopped } = await follow(['a', 'b', 'c'], { closesAt: 2 });
    expect(sent).not.toContain('c');
    expect(stopped).toBe(1);
  });
});
