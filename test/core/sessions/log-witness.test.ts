import { describe, expect, it } from 'vitest';
import { type Ack, leaves, openMessage, signMessage } from '../../../src/core/documents/index.ts';
import { workerSessionLimits } from '../../../src/core/sessions/worker/limits.ts';
import { addWitness, openCheckpoint } from '../../../src/core/transparency/index.ts';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { codeOf } from '../../runtime/support.ts';
import { at, controller, project, testKey } from '../../support/project.ts';
import { forked, honest, leafTexts, TestLog, WitnessBench } from './log-bench.ts';

const code = (value: string) => expect.objectContaining({ code: value });
const sizes = ({ stored }: WitnessBench) => stored?.logs[0]?.seen.map(({ size }) => size);

/** The line that a witness sends for a note; undefined where it sends none. */
async function lineOf({ witness }: WitnessBench, note: string): Promise<string | undefined> {
  let line: string | undefined;
  witness.witness(note, (_, given) => {
    line = given;
  });
  // Whoever looks next has waited for its turn.
  await witness.see(note).catch(() => {});
  await new Promise(setImmediate);
  return line;
}

describe('a worker as a witness', () => {
  it('signs a checkpoint that goes on from the last one, which is on its disk before', async () => {
    const log = honest();
    const bench = new WitnessBench(log);
    await bench.witness.see(await log.note(3));
    const note = await log.note();
    const line = await lineOf(bench, note);
    expect(sizes(bench)).toEqual([3, 8]);
    const expected = { project, log: controller.id };
    const { witnesses } = await openCheckpoint(addWitness(note, line ?? ''), expected, joseVerifier);
    expect(witnesses).toEqual([{ witness: bench.key.id, time: at }]);
    expect(bench.asked).toEqual([{ kind: 'checkpoint', old: 3, size: 8 }]);
  });

  it('signs nothing while what it signed cannot be kept', async () => {
    const log = honest();
    const bench = new WitnessBench(log);
    await bench.witness.see(await log.note(3));
    const { stored } = bench;
    Object.defineProperty(bench, 'stored', {
      get: () => stored,
      set: () => {
        throw new Error('the disk is full');
      },
    });
    expect(await lineOf(bench, await log.note())).toBeUndefined();
    expect(sizes(bench)).toEqual([3]);
  });

  it.each<[string, (bench: WitnessBench) => void]>([
    ['in the same life', () => {}],
    ['after a restart', (bench) => bench.restart()],
  ])('never signs two logs of one size, %s', async (_when, between) => {
    const log = honest();
    const other = forked();
    const bench = new WitnessBench(log);
    await bench.witness.see(await log.note(8));
    between(bench);
    bench.answer = (question) => other.answer(question);
    await expect(bench.witness.see(await other.note(8))).rejects.toEqual(code('LOG_FORKED'));
    expect(await lineOf(bench, await other.note(8))).toBeUndefined();
    await expect(bench.witness.sign(await other.note(8))).rejects.toEqual(code('LOG_FORKED'));
    expect(bench.witness.trouble).toContain('two logs of 8 entries');
    // Control: the first one still is.
    expect(await lineOf(bench, await log.note(8))).toBeDefined();
  });

  it.each<[string, number, number]>([
    ['a larger one', 7, 9],
    ['a smaller one', 8, 6],
  ])('does not sign %s that does not fit', async (_which, first, second) => {
    const log = honest();
    const other = forked();
    const bench = new WitnessBench(log);
    await bench.witness.see(await log.note(first));
    bench.answer = (question) => other.answer(question);
    const note = await other.note(second);
    expect(await codeOf(() => bench.witness.see(note))).toMatch(/^LOG_(INCONSISTENT|FORKED)$/);
    expect(await lineOf(bench, note)).toBeUndefined();
    expect(sizes(bench)).toEqual([first]);
    expect(bench.told[0]?.code).toMatch(/^LOG_/);
  });

  it('finds that a controller which shows another root for what it signed tells two stories', async () => {
    const log = honest();
    const other = forked();
    const bench = new WitnessBench(log);
    await bench.witness.see(await log.note(7));
    // The proof is of the log that this worker knows: whoever was shown the other one talks to it.
    await expect(bench.witness.see(await other.note(8))).rejects.toEqual(code('LOG_FORKED'));
  });

  it('finds that a log which is shorter than what was signed does not go on', async () => {
    const log = honest();
    const bench = new WitnessBench(log);
    await bench.witness.see(await log.note(8));
    const restored = new TestLog(leafTexts(0, 4));
    bench.answer = (question) => restored.answer(question);
    await expect(bench.witness.see(await restored.note(4))).rejects.toEqual(code('LOG_INCONSISTENT'));
  });

  it('does not go back: a smaller one that fits is kept, and no line is sent for it', async () => {
    const log = honest();
    const bench = new WitnessBench(log);
    await bench.witness.see(await log.note(8));
    expect(await lineOf(bench, await log.note(5))).toBeUndefined();
    expect(sizes(bench)).toEqual([5, 8]);
  });

  it('waits where nobody can be asked, and alarms nobody', async () => {
    const log = honest();
    const bench = new WitnessBench(log);
    await bench.witness.see(await log.note(5));
    const { answer } = bench;
    bench.answer = async () => ({ kind: 'error', code: 'MESH_RESET', message: 'gone' });
    expect(await lineOf(bench, await log.note(8))).toBeUndefined();
    expect([bench.told, bench.witness.trouble]).toEqual([[], null]);
    bench.answer = answer;
    expect(await lineOf(bench, await log.note(8))).toBeDefined();
  });

  it('takes no checkpoint of another key', async () => {
    const log = honest();
    const bench = new WitnessBench(log);
    const { signer } = testKey('stranger');
    const { formatCheckpoint, signCheckpoint } = await import('../../../src/core/transparency/index.ts');
    const body = formatCheckpoint({ project, size: 8, root: log.tree.root() });
    await expect(bench.witness.see(await signCheckpoint(body, signer))).rejects.toEqual(
      code('CHECKPOINT_UNSIGNED'),
    );
    expect(bench.stored).toBeUndefined();
  });

  it('keeps a bounded number of them, the newest', async () => {
    const { checkpointsMax } = workerSessionLimits;
    const log = new TestLog(leafTexts(0, checkpointsMax + 10));
    const bench = new WitnessBench(log);
    for (let size = 1; size <= checkpointsMax + 10; size++) await bench.witness.see(await log.note(size));
    expect(sizes(bench)).toHaveLength(checkpointsMax);
    expect(bench.stored?.logs[0]?.seen.at(-1)?.size).toBe(checkpointsMax + 10);
  });
});

describe('a receipt that was acknowledged', () => {
  const receipt = 'a'.repeat(64);
  const offer = 'b'.repeat(64);
  const leaf = leaves.receipt(receipt, offer);
  const ackAt = async (index: number) => {
    const payload: Ack = {
      iss: controller.id,
      aud: testKey('witness').id,
      lease: 'c'.repeat(64),
      receipt,
      index,
      iat: at,
    };
    return openMessage('ack', (await signMessage('ack', payload, controller.signer)).raw, joseVerifier);
  };

  it('is looked for under the next checkpoint, and forgotten once it was found', async () => {
    const log = new TestLog([...leafTexts(0, 5), leaf, ...leafTexts(6, 8)]);
    const bench = new WitnessBench(log);
    await bench.witness.promised(await ackAt(5), offer);
    await bench.witness.see(await log.note(5));
    expect(bench.stored?.promises).toHaveLength(1);
    bench.restart();
    await bench.witness.see(await log.note(8));
    expect(bench.stored?.promises).toEqual([]);
    expect(bench.told).toEqual([]);
  });

  it.each<[string, string[]]>([
    ['dropped', leafTexts(0, 8)],
    ['put elsewhere', [...leafTexts(0, 5), 'leaf 5', leaf, 'leaf 7']],
  ])('and was %s is reported after a bounded time, and not before', async (_what, lines) => {
    const log = new TestLog(lines);
    const bench = new WitnessBench(log);
    await bench.witness.promised(await ackAt(5), offer);
    await bench.witness.see(await log.note(8));
    expect([bench.told, bench.stored?.promises.length]).toEqual([[], 1]);
    bench.now += 11 * 60_000;
    await bench.witness.see(await log.note(8));
    expect(bench.told.map(({ code: told }) => told)).toEqual(['ACK_NOT_IN_LOG']);
    expect(bench.stored?.promises).toEqual([]);
  });

  it('is one of a bounded number', async () => {
    const { promisesMax } = workerSessionLimits;
    const bench = new WitnessBench(honest());
    for (let index = 0; index <= promisesMax; index++)
      await bench.witness.promised(await ackAt(10 + index), offer);
    expect(bench.stored?.promises).toHaveLength(promisesMax);
    expect(bench.told).toHaveLength(1);
  });
});
