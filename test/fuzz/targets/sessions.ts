import fc from 'fast-check';
import { createColors } from 'picocolors';
import { ProgressView } from '../../../src/client/commands/progress.ts';
import { Following, type TimedProgress } from '../../../src/member/following.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { toUtf8 } from '../../../src/protocol/base/text.ts';
import { ask, openQuestion } from '../../../src/protocol/sessions/ask.ts';
import { requestBundle } from '../../../src/protocol/sessions/bundle-exchange.ts';
import type { Channel, Dial } from '../../../src/protocol/sessions/ports.ts';
import { requestCheckpoint, requestRevocations } from '../../../src/protocol/sessions/revocation-exchange.ts';
import { apiDownSchema, encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { progressKinds } from '../../../src/protocol/wire/progress.ts';
import { cidOf, testKey } from '../../support/project.ts';
import { sampleOf } from '../../support/sample.ts';
import { type AnyTarget, define } from '../target.ts';
import { kinds } from './wire.ts';

/** Values of every other type, deep ones among them. */
const others = [
  'null',
  '1',
  '-1',
  '9007199254740991',
  '1e300',
  '"x"',
  'true',
  '[]',
  '{}',
  '[[[]]]',
  `${'['.repeat(5_000)}${']'.repeat(5_000)}`,
];

/** A message as text: itself, and with each of its fields missing, doubled, and of another type. */
export function changesOf(message: unknown): string[] {
  if (typeof message !== 'object' || message === null) return others;
  if (Array.isArray(message))
    return message.flatMap((one, at) =>
      changesOf(one).map(
        (text) => `[${message.map((item, n) => (n === at ? text : JSON.stringify(item))).join(',')}]`,
      ),
    );
  const entries = Object.entries(message).map(
    ([name, value]) => [JSON.stringify(name), JSON.stringify(value), value] as const,
  );
  const written = (at: number, text: string | undefined, twice = false) => {
    const members = entries.flatMap(([name, value], n) => {
      const own = n === at ? text : value;
      if (own === undefined) return [];
      return twice && n === at ? [`${name}:${value}`, `${name}:${own}`] : [`${name}:${own}`];
    });
    return `{${members.join(',')}}`;
  };
  return entries.flatMap(([, same, value], at) => [
    written(at, undefined),
    written(at, same, true),
    ...others.flatMap((text) => [written(at, text), written(at, text, true)]),
    ...(typeof value === 'object' && value !== null ? changesOf(value).map((text) => written(at, text)) : []),
  ]);
}

/** The other side sends these, and closes. */
function saying(messages: readonly string[]): Dial {
  const left = messages.map(toUtf8);
  const channel: Channel = {
    peer: testKey('controller').id,
    closed: false,
    send: async () => {},
    receive: async () => left.shift(),
    close: async () => {},
    abort: () => {},
  };
  return async () => channel;
}

const at = { id: testKey('controller').id, addrs: [] };
const which = 'ab'.repeat(32);
const jws = 'e30.e30.AAAA';
const validOf = (name: string): readonly object[] => kinds.find(([kind]) => kind === name)?.[2] ?? [];
const apiDown = apiDownSchema.options.map((schema) => sampleOf(schema) as { kind: string });
const only = (...wanted: string[]) => apiDown.filter(({ kind }) => wanted.includes(kind));
const progress = progressKinds.map((schema) => ({ kind: 'progress', at: 1, progress: sampleOf(schema) }));

/** Ends of the client's side, with what they may be answered. */
const ends: Record<string, { valid: readonly object[]; run: (dial: Dial) => Promise<unknown> }> = {
  ask: {
    valid: apiDown.filter(({ kind }) => kind !== 'error'),
    run: (dial) => ask(dial, [at], { kind: 'jobs' }),
  },
  follow: { valid: progress, run: (dial) => all(following(dial).follow(which, soon())) },
  logs: {
    valid: only('output'),
    run: (dial) => all(following(dial).logs(which, { follow: true, signal: soon() })),
  },
  bring: {
    valid: only('bringing', 'brought'),
    run: (dial) => following(dial).bring(cidOf('tree'), jws, () => {}),
  },
  bundle: { valid: validOf('bundle-down'), run: (dial) => requestBundle(dial, at, which) },
  revocations: {
    valid: validOf('revocations-down'),
    run: (dial) => requestRevocations(dial, at, learnNothing),
  },
  checkpoint: { valid: validOf('revocations-down'), run: (dial) => requestCheckpoint(dial, at) },
};

const learnNothing = async () => ({ fresh: [], found: [], unread: 0, refused: [], full: [] });
const soon = () => AbortSignal.timeout(20_000);

/** One stream; a second one is refused for good, so that nothing is waited for. */
function following(dial: Dial): Following {
  let opened = 0;
  const open: ConstructorParameters<typeof Following>[0] = async (question) => {
    opened += 1;
    if (opened > 1) throw new QuorateError('JOB_UNKNOWN', 'no further stream');
    return openQuestion(dial, at, question);
  };
  return new Following(open, { signal: soon(), tell: () => {} });
}

const nothing = { say() {}, set() {}, end() {}, live() {}, remove() {} };
const board = { ...nothing, id: (text: string) => text } as unknown as ConstructorParameters<
  typeof ProgressView
>[0];

async function all(answers: AsyncIterable<unknown>): Promise<void> {
  const view = new ProgressView(board, createColors(false));
  for await (const answer of answers) {
    const { at: time, progress: shown } = answer as TimedProgress;
    if (shown !== undefined) view.show(time, shown);
  }
}

/** By the name of the end, all that it is answered. */
export const answers: [end: string, text: string][] = Object.entries(ends).flatMap(([end, { valid }]) =>
  valid.flatMap((message) => changesOf(message).map((text): [string, string] => [end, text])),
);

/** Resolves where the end takes it, or refuses it with a code; what else it does is thrown. */
export async function answered(end: string, text: string): Promise<void> {
  try {
    await ends[end]?.run(saying([text, JSON.stringify({ kind: 'end' })]));
  } catch (error) {
    if (!(error instanceof QuorateError) || error.code === ('INTERNAL' as string)) throw error;
  }
}

/** The client's ends, each with every message that it may be answered, changed in every field. */
const client = define<[string, string]>({
  name: 'sessions-client',
  seeds: async () =>
    Object.entries(ends).flatMap(([end, { valid }]) =>
      valid.map((message): [string, string] => [end, new TextDecoder().decode(encodeMessage(message))]),
    ),
  arbitrary: () => fc.constantFrom(...answers),
  run: ([end, text]) => answered(end, text),
});

export const targets: readonly AnyTarget[] = [client];
