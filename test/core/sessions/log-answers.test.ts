import { expect, it } from 'vitest';
import type { RunFacts } from '../../../src/core/controller/facts.ts';
import { type LogAnswerPorts, sendLogs } from '../../../src/core/sessions/controller/log-answers.ts';
import type { MessageStream } from '../../../src/core/sessions/message-stream.ts';
import type { Clock } from '../../../src/core/sessions/ports.ts';
import type { ApiDown, ApiUp } from '../../../src/core/wire/messages.ts';
import { nodeClock } from '../../../src/runtime/node/ports.ts';

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
    ...{ id: 'run', request: { signer: asker }, receipts: [recorded] },
    phase: { kind: 'done' },
  } as unknown as RunFacts;
  const sent: unknown[] = [];
  const channel = { closed: false };
  const send = async (answer: ApiDown) =>
    void sent.push(answer.kind === 'output' ? answer.text : answer.kind);
  const stream = { peer: asker, channel, send } as unknown as MessageStream<ApiDown, ApiUp>;
  const clock = { ...nodeClock(new AbortController().signal), monotonic: () => waited, after };
  const ports = { logs, clock, state: { runs: new Map() } } as unknown as LogAnswerPorts;
  await sendLogs(ports, stream, run, { kind: 'logs', which: 'run', follow });
  return { sent, waited };
}

it.each([true, false])(
  'the log of a short build that comes after its receipt is in the answer (follow: %s)',
  async (follow) => {
    expect(await answers(300, follow)).toMatchObject({ sent: ['late\n', 'end'] });
  },
);

it('nobody waits long for a log that does not come', async () => {
  const { sent, waited } = await answers(Number.POSITIVE_INFINITY, true);
  expect(sent).toEqual(['end']);
  expect(waited).toBeGreaterThan(500);
  expect(waited).toBeLessThan(5_000);
});
