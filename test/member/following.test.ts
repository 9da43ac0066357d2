import { describe, expect, it } from 'vitest';
import { Following, gapNote } from '../../src/member/following.ts';
import { QuorateError, reportedError } from '../../src/protocol/base/errors.ts';
import { receiptsMax } from '../../src/protocol/documents/limits.ts';
import { wireLimits } from '../../src/protocol/wire/limits.ts';
import { testKey } from '../support/project.ts';

const worker = testKey('worker').id;
const soon = () => AbortSignal.timeout(120_000);
const output = (text: string, slot = '1') => ({ kind: 'output', worker, operator: 'ada', slot, text });
const end = { kind: 'end' };
const lost = () => reportedError('MESH_RESET', 'the stream broke');

/** Answers of one stream after the other; the last of a stream may be an error. */
function following(streams: readonly (readonly unknown[])[]) {
  const left = [...streams];
  const open = async () => {
    const answers = left.shift();
    if (answers === undefined) throw new QuorateError('JOB_UNKNOWN', 'no further stream');
    if (answers[0] instanceof Error && answers.length === 1) throw answers[0];
    const next = [...answers];
    return {
      receive: async () => {
        const answer = next.shift();
        if (answer instanceof Error) throw answer;
        return answer;
      },
      close: async () => {},
    };
  };
  const client = new Following(open as unknown as ConstructorParameters<typeof Following>[0], {
    signal: soon(),
    tell: () => {},
  });
  return async (follow = true) => {
    const texts: Record<string, string> = {};
    for await (const { slot, text } of client.logs('a run', { follow, signal: soon() }))
      texts[slot] = (texts[slot] ?? '') + text;
    return texts;
  };
}

describe('logs that are followed', () => {
  const long = Array.from({ length: 100 }, (_, n) => `line ${n} of the log\n`).join('');
  const cut = (text: string, ...at: number[]) =>
    [...at, text.length].map((to, n) => output(text.slice(n === 0 ? 0 : at[n - 1], to)));

  it('go on where the connection was lost, and show nothing twice', async () => {
    const streams = [
      [...cut(long.slice(0, 900), 300), output('other\n', '2'), lost()],
      // It is told in other pieces, and shorter than it was before.
      [...cut(long.slice(0, 700), 10, 20, 400), lost()],
      [reportedError('MESH_RESET', 'nobody is there yet')],
      [output('other\nmore\n', '2'), ...cut(long, 5, 899, 901), end],
    ];
    expect(await following(streams)()).toEqual({ 1: long, 2: 'other\nmore\n' });
  });

  it('say so where a part may be missing', async () => {
    const streams = [
      [output('first\n'), lost()],
      [output('what is left of it\n'), end],
    ];
    expect(await following(streams)()).toEqual({ 1: `first\n${gapNote}what is left of it\n` });
  });

  it('end with what the controller answers', async () => {
    await expect(following([[output('first\n'), lost()], []])()).rejects.toMatchObject({
      code: 'JOB_UNKNOWN',
    });
  });

  it('of which nothing came before the connection was lost end there', async () => {
    await expect(
      following([
        [lost(), end],
        [output('x'), end],
      ])(),
    ).rejects.toMatchObject({
      code: 'CONTROLLER_LOST',
    });
  });

  it('not followed end where the connection is lost', async () => {
    await expect(following([[output('first\n'), lost()], [end]])(false)).rejects.toMatchObject({
      code: 'CONTROLLER_LOST',
    });
  });
});

it('a controller that tells without end of one run is followed no further', async () => {
  const client = (answer: (n: number) => object) => {
    let n = 0;
    const open = async () => ({ receive: async () => answer(n++), close: async () => {} });
    return new Following(open as unknown as ConstructorParameters<typeof Following>[0], { signal: soon() });
  };
  const count = async (told: AsyncIterable<unknown>) => {
    let n = 0;
    const read = async () => {
      for await (const _ of told) if (n++ > wireLimits.historyMax) return;
    };
    await expect(read()).rejects.toMatchObject({ code: 'CONTROLLER_UNEXPECTED_ANSWER' });
    return n;
  };
  const progress = { kind: 'reopened', reason: 'x' };
  const events = client((at) => ({ kind: 'progress', at, progress })).follow('a run', soon());
  expect(await count(events)).toBe(wireLimits.historyMax);
  const logs = client((n) => output('x', String(n))).logs('a run', { follow: true, signal: soon() });
  expect(await count(logs)).toBe(receiptsMax);
});

it('progress that is followed is told once, over several streams, and nothing else', async () => {
  const progress = (at: number) => ({ kind: 'progress', at, progress: { kind: 'opened', round: at } });
  const streams = [
    [progress(1), { kind: 'output' }, progress(2), lost()],
    [progress(1), progress(2), { ...progress(3), progress: null }, progress(4), end],
  ];
  const open = async () => {
    const next = [...(streams.shift() ?? [])];
    return {
      receive: async () => {
        const answer = next.shift();
        if (answer instanceof Error) throw answer;
        return answer;
      },
      close: async () => {},
    };
  };
  const client = new Following(open as unknown as ConstructorParameters<typeof Following>[0], {
    signal: soon(),
  });
  const told: number[] = [];
  for await (const { at } of client.follow('a run', soon())) told.push(at);
  expect(told).toEqual([1, 2, 4]);
});

it('a tree is brought once the controller says so, how far it is is told, and each stream is closed', async () => {
  const streams = [
    [
      { kind: 'bringing', bytes: 1 },
      { kind: 'bringing', bytes: 2, total: 3 },
      { kind: 'brought' },
      { kind: 'x' },
    ],
    [{ kind: 'error', code: 'DEPENDENCIES_TOO_LARGE', message: 'no' }],
    [{ kind: 'end' }],
  ];
  const asked: unknown[] = [];
  let closed = 0;
  const open = async (question: unknown) => {
    asked.push(question);
    const next = [...(streams.shift() ?? [])];
    return { receive: async () => next.shift(), close: async () => void closed++ };
  };
  const client = new Following(open as unknown as ConstructorParameters<typeof Following>[0], {
    signal: soon(),
    tell: () => {},
  });
  const progress: unknown[] = [];
  const bring = () => client.bring('tree', 'grant', (bytes, total) => void progress.push([bytes, total]));
  await bring();
  expect(progress).toEqual([
    [1, undefined],
    [2, 3],
  ]);
  await expect(bring()).rejects.toMatchObject({ code: 'DEPENDENCIES_TOO_LARGE' });
  await bring();
  expect(closed).toBe(3);
  expect(asked).toEqual(
    Array.from({ length: 3 }, () => ({ kind: 'bring', tree: 'tree', publisher: 'grant' })),
  );
});
