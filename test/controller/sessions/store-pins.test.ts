import { expect, it } from 'vitest';
import type { ControllerPorts, StorePorts } from '../../../src/controller/sessions/ports.ts';
import { StorePins } from '../../../src/controller/sessions/store-pins.ts';
import { reportedError } from '../../../src/protocol/base/errors.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { fromUtf8 } from '../../../src/protocol/base/text.ts';
import { sessionTimes } from '../../../src/protocol/sessions/limits.ts';
import type { Channel, Dial } from '../../../src/protocol/sessions/ports.ts';
import { wireLimits } from '../../../src/protocol/wire/limits.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { cidOf, testKey } from '../../support/documents.ts';

const { pinAttemptMs, pinSilenceMs } = sessionTimes;
const store = testKey('a store').id;
const run = 'a'.repeat(64);
const artifact = cidOf('tree');
const pinned = { kind: 'pinned', tree: artifact, until: 1 };
const refusal = (code: string) => ({ kind: 'error', code, message: 'no' });

/** Asks a store that says this, each answer after so many milliseconds, and returns the events of it. */
async function asking(
  answers: readonly (object | [ms: number, answer: object])[],
  {
    probe = async () => {},
    closing = false,
    from = ['w'],
  }: { probe?: () => Promise<void>; closing?: boolean; from?: string[] } = {},
) {
  let now = 0;
  const said = [...answers];
  const [events, told, sent, waits]: unknown[][] = [[], [], [], []];
  let closed = false;
  const channel: Channel = {
    peer: store,
    closed: false,
    send: async (bytes) => void sent?.push(JSON.parse(fromUtf8(bytes))),
    receive: async ({ timeoutMs } = {}) => {
      waits?.push(timeoutMs);
      const next = said.shift();
      const [ms, answer] = Array.isArray(next) ? next : [0, next];
      now += ms;
      return answer === undefined ? undefined : encodeMessage(answer);
    },
    close: async () => {
      closed = true;
    },
    abort: () => {},
  };
  const dial: Dial = async (_store, _protocol, { maxMessageBytes }) => {
    // An answer is no document.
    expect(maxMessageBytes).toBeLessThan(limits.documentBytesMax);
    return channel;
  };
  const ended = Promise.withResolvers<void>();
  const clock = {
    monotonic: () => now,
    // It is looked at last.
    get closing() {
      if (closing) queueMicrotask(ended.resolve);
      return closing;
    },
  };
  const dispatch = async (event: unknown) => {
    events?.push(event);
    ended.resolve();
  };
  const tell = (_level: string, kind: string, says: string) => void told?.push(`${kind}: ${says}`);
  const pins = new StorePins(
    { dispatch, clock, tell } as unknown as ControllerPorts,
    {
      dial,
      boundOf: () => 5,
      probe,
      addressOf: (id: string) => ({ id, addrs: [] }),
      findPeer: async (id: string) => ({ id, addrs: Array(wireLimits.pinAddrsMax + 1).fill('/dns/x') }),
    } as unknown as StorePorts,
  );
  pins.ask({ kind: 'pin', run, artifact, from, stores: [store] });
  await ended.promise;
  return { events, told, sent, waits, closed: () => closed };
}

it('a store that keeps a tree is asked once, with a bounded number of those who have it', async () => {
  const many = Array.from({ length: wireLimits.pinFromMax + 1 }, (_, n) => testKey(`worker ${n}`).id);
  const { events, told, sent, waits, closed } = await asking([{ kind: 'pinning' }, pinned], { from: many });
  expect(events).toEqual([{ kind: 'pinned', run, artifact, store, ok: true, detail: '' }]);
  const from = many
    .slice(0, wireLimits.pinFromMax)
    .map((id) => ({ id, addrs: Array(wireLimits.pinAddrsMax).fill('/dns/x') }));
  expect(sent).toEqual([{ kind: 'pin', run, tree: artifact, maxBytes: 5, from }]);
  expect([told, waits, closed()]).toEqual([[], [pinSilenceMs, pinSilenceMs], true]);
});

it.each<[string, readonly (object | [number, object])[], 'store' | 'signers', string]>([
  ['closes the stream', [], 'store', 'the store closed the stream without an answer'],
  ['answers about another tree', [{ ...pinned, tree: cidOf('other') }], 'store', 'about another tree'],
  ['takes too long', [[pinAttemptMs, { kind: 'pinning' }], pinned], 'store', 'it took longer than'],
  ['is full', [refusal('STORE_QUOTA')], 'store', 'no'],
  ['cannot fetch it', [refusal('TRANSFER_TIMEOUT')], 'signers', 'no'],
  ['finds it damaged', [refusal('STORE_TREE_INVALID')], 'signers', 'no'],
  ['cannot pull it', [refusal('STORE_PULL_REFUSED')], 'signers', 'no'],
])('a store that %s keeps nothing', async (_what, answers, fault, says) => {
  const { events, told, closed } = await asking(answers);
  const detail = expect.stringContaining(says);
  expect(events).toEqual([{ kind: 'pinned', run, artifact, store, ok: false, detail, fault }]);
  expect([told?.length, closed()]).toEqual([fault === 'store' ? 1 : 0, true]);
});

it('a store that answers within its time keeps it, also at the end of that', async () => {
  const { events, waits } = await asking([
    [pinAttemptMs - 1, { kind: 'pinning' }],
    [5, pinned],
  ]);
  expect([events, waits]).toEqual([[expect.objectContaining({ ok: true })], [pinSilenceMs, 1]]);
});

it('a store that does not serve what it says that it keeps has itself to blame', async () => {
  const probe = () => Promise.reject(reportedError('TRANSFER_TIMEOUT', 'nothing came'));
  const { events } = await asking([pinned], { probe });
  expect(events).toEqual([expect.objectContaining({ ok: false, fault: 'store' })]);
});

it.each([
  ['keeps it', [pinned]],
  ['fails', []],
])('a controller that shuts down says nothing more of a store that %s', async (_what, answers) => {
  const { events, told } = await asking(answers, { closing: true });
  expect([events, told]).toEqual([[], []]);
});
