import { describe, expect, it } from 'vitest';
import { leaves, signMessage } from '../../../src/protocol/documents/index.ts';
import { formatCheckpoint, signCheckpoint } from '../../../src/protocol/transparency/index.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { topics } from '../../../src/protocol/wire/protocols.ts';
import { at, log as logKey, project, root } from '../../support/project.ts';
import { honest, leafTexts, TestLog, WitnessBench } from './log-bench.ts';

const code = (value: string) => expect.objectContaining({ code: value });
const sizes = ({ stored }: WitnessBench) => stored?.logs[0]?.seen.map(({ size }) => size);

describe('checkpoints that come by the way', () => {
  it('are heard by gossip ten seconds after the last one at the earliest', async () => {
    const log = honest();
    const bench = await WitnessBench.open(log);
    bench.witness.start(() => true);
    const notice = encodeMessage({ note: await log.note() });
    const hear = async () => {
      bench.hears.get(topics.checkpoints(project))?.(notice);
      await bench.witness.see(await log.note(3));
    };
    await bench.witness.see(await log.note(3));
    bench.now += 9_999;
    bench.hears.get(topics.checkpoints(project))?.(notice);
    await bench.witness.load();
    expect(sizes(bench)).toEqual([3]);
    bench.now += 1;
    await hear();
    expect(sizes(bench)).toEqual([3, 8]);
  });

  it('wait sixteen at a time: a further one is dropped', async () => {
    const log = honest();
    const bench = await WitnessBench.open(log);
    const note = await log.note();
    let heard = 0;
    const all = Array.from({ length: 20 }, () =>
      bench.witness.hear(() => {
        heard++;
        return note;
      }),
    );
    expect(heard).toBe(16);
    const answered: number[] = [];
    await bench.witness.witness(note, (size) => answered.push(size));
    await bench.witness.hearFrom('member', 'no checkpoint');
    expect([answered, bench.told]).toEqual([[], []]);
    await Promise.all(all);
    await bench.witness.witness(note, (size) => answered.push(size));
    await bench.witness.hearFrom('member', 'no checkpoint');
    expect([answered, bench.told.length]).toEqual([[8], 1]);
  });

  it.each<[string, (log: TestLog) => object, string]>([
    ['something else', () => ({ kind: 'leaves', from: 0, size: 8, leaves: [] }), 'answers "leaves"'],
    ['a proof that does not hold', (log) => ({ proof: log.tree.consistency(2, 8) }), 'no proof that holds'],
  ])('are not taken where the controller proves them with %s', async (_what, answer, says) => {
    const log = honest();
    const bench = await WitnessBench.open(log);
    await bench.witness.see(await log.note(3));
    bench.answer = async (question) => ({ ...(await log.answer(question)), ...answer(log) });
    await expect(bench.witness.see(await log.note())).rejects.toMatchObject({
      code: 'LOG_INCONSISTENT',
      message: expect.stringContaining(says),
    });
    expect(sizes(bench)).toEqual([3]);
  });

  it('are not taken where the controller proves nothing, and answers no more', async () => {
    const log = honest();
    const bench = await WitnessBench.open(log);
    await bench.witness.see(await log.note(3));
    bench.answer = async (question) =>
      bench.asked.length === 1
        ? { ...(await log.answer(question)), proof: [] }
        : { kind: 'error', code: 'INTERNAL', message: 'no' };
    await expect(bench.witness.see(await log.note())).rejects.toEqual(code('LOG_INCONSISTENT'));
    expect(bench.asked).toHaveLength(2);
  });

  it('of a key that the root ended are not taken, from the leaf of its end on', async () => {
    const log = honest();
    const bench = await WitnessBench.open(log);
    const what = { kind: 'key', id: logKey.id } as const;
    const ends = { iss: root.id, project, what, since: 7, reason: 'lost', iat: at };
    const { raw } = await signMessage('revocation', ends, root.signer);
    await bench.revocations.learn({ charters: [], revocations: [raw] });
    await expect(bench.witness.see(await log.note())).rejects.toEqual(code('KEY_REVOKED'));
    await bench.witness.see(await log.note(7));
    expect(sizes(bench)).toEqual([7]);
  });
});

describe('the leaves that a trusted worker reads', () => {
  const huge = async (size: number) =>
    signCheckpoint(formatCheckpoint({ project, size, root: 'a'.repeat(64) }), logKey.signer);

  it('are a million at most', async () => {
    const bench = await WitnessBench.open(honest());
    const read = async (size: number) => bench.checks.readLog(await huge(size), () => false);
    await expect(read(1_000_001)).rejects.toEqual(code('LOG_TOO_LARGE'));
    const other = await WitnessBench.open(honest());
    const most = async () => other.checks.readLog(await huge(1_000_000), () => false);
    await expect(most()).rejects.toEqual(code('LOG_UNREADABLE'));
  });

  it('are kept under a checkpoint that they are under, of a million at most', async () => {
    const log = honest();
    const bench = await WitnessBench.open(log);
    const { checks } = bench;
    await checks.keepUnder({ size: 1_000_001, root: log.tree.root() });
    expect([bench.asked, bench.leaves]).toEqual([[], []]);
    await expect(checks.keepUnder({ size: 1_000_000, root: log.tree.root() })).rejects.toEqual(
      code('LOG_UNREADABLE'),
    );
    await expect(checks.keepUnder({ size: 8, root: 'b'.repeat(64) })).rejects.toEqual(
      code('LOG_LEAVES_MISMATCH'),
    );
    expect(bench.leaves).toEqual([]);
    await checks.keepUnder({ size: 8, root: log.tree.root() });
    expect(bench.leaves).toEqual(log.tree.leaves());
  });
});

describe('neighbours', () => {
  it('are asked three at a time, in turn', async () => {
    const log = honest();
    const bench = await WitnessBench.open(log);
    const names = ['a', 'b', 'c', 'd', 'e'];
    const asked: string[] = [];
    bench.neighbours = await Promise.all(names.map((name) => WitnessBench.open(log, name)));
    for (const [n, neighbour] of bench.neighbours.entries())
      Object.defineProperty(neighbour.witness, 'newest', {
        get: () => {
          asked.push(names[n] ?? '');
          return undefined;
        },
      });
    const { talk } = bench.talking();
    for (let round = 0; round < 5; round++) await talk();
    expect(asked).toHaveLength(15);
    // Five rounds of three are three of five.
    for (const name of names) expect(asked.filter((one) => one === name)).toHaveLength(3);
    expect(new Set(asked.slice(0, 5)).size).toBe(5);
    await Promise.all([talk(), talk()]);
    expect(asked).toHaveLength(18);
  });
});

it('the revocations that the log has are shown, or nothing is signed', async () => {
  const id = 'c'.repeat(64);
  const log = new TestLog([...leafTexts(0, 3), leaves.revocation(id)]);
  const bench = await WitnessBench.open(log);
  let asked = 0;
  bench.answer = async (question) => {
    if (['checkpoint', 'inclusion', 'log'].includes(question.kind)) return log.answer(question);
    asked++;
    return { kind: 'revocations', charters: [], revocations: [] };
  };
  const read = async () => bench.checks.readLog(await log.note(), () => false);
  await expect(read()).rejects.toEqual(code('REVOCATION_WITHHELD'));
  // All of them, then the one that is missing.
  expect(asked).toBe(2);
});
