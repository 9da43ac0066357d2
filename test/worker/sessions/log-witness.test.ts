import { describe, expect, it } from 'vitest';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { type Ack, leaves, openMessage, signMessage } from '../../../src/protocol/documents/index.ts';
import { addWitness, openCheckpoint } from '../../../src/protocol/transparency/index.ts';
import { checkEquivocation } from '../../../src/protocol/trust/index.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { topics } from '../../../src/protocol/wire/protocols.ts';
import { leasesIn } from '../../../src/worker/sessions/checkpoint-book.ts';
import { workerSessionLimits } from '../../../src/worker/sessions/limits.ts';
import { forked, honest, leafTexts, TestLog, WitnessBench } from '../../protocol/sessions/log-bench.ts';
import { codeOf } from '../../support/code-and-folder.ts';
import { at, log as logKey, noteOf, project, testKey } from '../../support/project.ts';

const code = (value: string) => expect.objectContaining({ code: value });
const sizes = ({ stored }: WitnessBench) => stored?.logs[0]?.seen.map(({ size }) => size);

/** The line that a witness sends for a note; undefined where it sends none. */
async function lineOf({ witness }: WitnessBench, note: string): Promise<string | undefined> {
  let line: string | undefined;
  await witness.witness(note, (_, given) => {
    line = given;
  });
  return line;
}

describe('a worker as a witness', () => {
  it('signs a checkpoint that goes on from the last one, which is on its disk before', async () => {
    const log = honest();
    const bench = await WitnessBench.open(log);
    await bench.witness.see(await log.note(3));
    const note = await log.note();
    const line = await lineOf(bench, note);
    expect(sizes(bench)).toEqual([3, 8]);
    const expected = { project, log: logKey.id };
    const { witnesses } = await openCheckpoint(addWitness(note, line ?? ''), expected, joseVerifier);
    expect(witnesses).toEqual([{ witness: bench.key.id, time: at }]);
    expect(bench.asked).toEqual([{ kind: 'checkpoint', old: 3, size: 8 }]);
  });

  it.each<[string, number, (log: TestLog) => readonly string[], number]>([
    ['holds it to the proof that came with it', 3, (log) => log.tree.consistency(3, 8), 0],
    ['asks for one where that does not hold', 3, (log) => log.tree.consistency(2, 8), 1],
    ['asks for one where that is from another size', 2, (log) => log.tree.consistency(2, 8), 1],
  ])('%s', async (_what, size, proofOf, asked) => {
    const log = honest();
    const bench = await WitnessBench.open(log);
    await bench.witness.see(await log.note(3));
    const lines: string[] = [];
    const since = { size, proof: proofOf(log) };
    await bench.witness.witness(await log.note(), (_, line) => lines.push(line), since);
    expect([lines.length, bench.asked.length]).toEqual([1, asked]);
  });

  it('signs none that does not go on from the last one, whatever proof came with it', async () => {
    const bench = await WitnessBench.open(honest());
    await bench.witness.see(await honest().note(7));
    const other = forked();
    bench.answer = (question) => other.answer(question);
    const lines: string[] = [];
    const since = { size: 7, proof: other.tree.consistency(7, 9) };
    await bench.witness.witness(await other.note(9), (_, line) => lines.push(line), since);
    expect(lines).toEqual([]);
    expect(bench.witness.trouble).not.toBeNull();
  });

  it('signs nothing while what it signed cannot be kept', async () => {
    const log = honest();
    const bench = await WitnessBench.open(log);
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

  it.each<[string, (bench: WitnessBench) => unknown]>([
    ['in the same life', () => {}],
    ['after a restart', (bench) => bench.restart()],
  ])('never signs two logs of one size, %s', async (_when, between) => {
    const log = honest();
    const other = forked();
    const bench = await WitnessBench.open(log);
    await bench.witness.see(await log.note(8));
    await between(bench);
    bench.answer = (question) => other.answer(question);
    // Control: the first one still is.
    expect(await lineOf(bench, await log.note(8))).toBeDefined();
    await expect(bench.witness.see(await other.note(8))).rejects.toEqual(code('LOG_FORKED'));
    await expect(bench.witness.sign(await other.note(8))).rejects.toEqual(code('LOG_EQUIVOCATED'));
    expect(bench.witness.trouble).toContain('signed two logs of 8 leaves');
  });

  it.each<[string, number, number]>([
    ['a larger one', 7, 9],
    ['a smaller one', 8, 6],
  ])('does not sign %s that does not fit', async (_which, first, second) => {
    const log = honest();
    const other = forked();
    const bench = await WitnessBench.open(log);
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
    const bench = await WitnessBench.open(log);
    await bench.witness.see(await log.note(7));
    // The proof is of the log that this worker knows: whoever was shown the other one talks to it.
    await expect(bench.witness.see(await other.note(8))).rejects.toEqual(code('LOG_FORKED'));
  });

  it('keeps the evidence, tells everybody, and signs nothing of that log any more', async () => {
    const log = honest();
    const bench = await WitnessBench.open(log);
    await bench.witness.see(await log.note(8));
    expect(bench.witness.isVoid).toBe(false);
    await codeOf(async () => bench.witness.see(await forked().note(8)));
    const [known] = bench.revocations.equivocations;
    expect(await checkEquivocation(known?.raw ?? '', project, joseVerifier)).toMatchObject({
      log: logKey.id,
      kind: 'roots',
      sizes: [8],
    });
    expect(bench.gossiped).toEqual([topics.equivocations(project)]);
    expect(bench.asked.at(-1)).toEqual({ kind: 'equivocation', equivocation: known?.raw });
    expect(bench.told).toHaveLength(1);
    await bench.restart();
    expect(bench.witness.isVoid).toBe(true);
    await expect(bench.witness.see(await log.note(8))).rejects.toEqual(code('LOG_EQUIVOCATED'));
    expect(await lineOf(bench, await log.note(8))).toBeUndefined();
  });

  describe('with a controller that tells a neighbour something else and breaks off when asked to prove it', () => {
    async function partitioned() {
      const [log, other] = [honest(), forked()];
      const bench = await WitnessBench.open(log);
      const neighbour = await WitnessBench.open(other, 'neighbour');
      bench.neighbours = [neighbour];
      await neighbour.witness.see(await other.note(9));
      const isBroken = { is: true };
      bench.answer = async (question) =>
        isBroken.is ? { kind: 'error', code: 'MESH_RESET', message: 'gone' } : log.answer(question);
      /** Five minutes pass, in which the controller sends a checkpoint, or does not. */
      const pass = async (isThere = true) => {
        bench.now += 5 * 60_000;
        if (isThere) await lineOf(bench, await log.note(8));
        await bench.talk();
      };
      await pass();
      return { bench, neighbour, log, pass, isBroken };
    }

    it('says so once that has gone on for a while', async () => {
      const { bench, neighbour, pass } = await partitioned();
      await pass();
      await pass();
      expect([bench.told, bench.witness.trouble]).toEqual([[], null]);
      await pass();
      await pass();
      expect(bench.told).toMatchObject([{ code: 'LOG_INCONSISTENT' }]);
      expect(bench.witness.trouble).toContain(neighbour.key.id);
    });

    it('says nothing while the controller is not there at all', async () => {
      const { bench, pass } = await partitioned();
      for (let n = 0; n < 10; n++) await pass(false);
      expect([bench.told, bench.witness.trouble]).toEqual([[], null]);
    });

    it('takes it back when what that neighbour saw fits', async () => {
      const { bench, neighbour, log, pass, isBroken } = await partitioned();
      for (let n = 0; n < 4; n++) await pass();
      expect(bench.witness.trouble).not.toBeNull();
      const honestOne = await WitnessBench.open(log, 'neighbour');
      expect(honestOne.key.id).toBe(neighbour.key.id);
      await honestOne.witness.see(await log.note(5));
      bench.neighbours = [honestOne];
      isBroken.is = false;
      await pass();
      expect(bench.witness.trouble).toBeNull();
    });
  });

  it('tells and passes on evidence that it cannot keep itself, and tries again to keep it', async () => {
    const [log, other] = [honest(), forked()];
    const finder = await WitnessBench.open(log, 'finder');
    await finder.witness.see(await log.note(8));
    await codeOf(async () => finder.witness.see(await other.note(8)));
    const equivocation = finder.revocations.equivocations[0]?.raw ?? '';
    const full = await WitnessBench.open(log);
    const judge = async (notice: object, bench?: WitnessBench) => {
      bench ??= await WitnessBench.open(log);
      bench.feed.start(() => true);
      return bench.accepts.get(topics.equivocations(project))?.('finder', encodeMessage(notice));
    };
    full.isDiskFull = true;
    expect(await judge({ equivocation }, full)).toBe(true);
    await full.revocations.saveAgain();
    expect(full.told.map(({ code }) => code)).toEqual(['unsaved', 'LOG_EQUIVOCATED']);
    expect(full.storedEvidence).toBeUndefined();
    full.isDiskFull = false;
    await full.revocations.saveAgain();
    expect(full.storedEvidence?.equivocations).toEqual([equivocation]);
    // Control: what holds is passed on, and who sends nonsense is not listened to.
    expect(await judge({ equivocation })).toBe(true);
    expect(await judge({ equivocation: '{}' })).toBe(false);
    expect(await judge({ nonsense: true })).toBe(false);
  });

  it('has no evidence to show where a proof only fails', async () => {
    const log = honest();
    const other = forked();
    const bench = await WitnessBench.open(log);
    await bench.witness.see(await log.note(7));
    // The controller says nothing that it could be held to.
    bench.answer = async () => ({ kind: 'checkpoint', note: await other.note(9), proof: [] });
    await expect(bench.witness.see(await other.note(9))).rejects.toEqual(code('LOG_INCONSISTENT'));
    expect([bench.revocations.equivocations, bench.gossiped]).toEqual([[], []]);
    expect(bench.witness.trouble).toContain('does not show that one goes on from the other');
  });

  it('has, where it kept the leaves and is shown those of the other log', async () => {
    const log = honest();
    const other = forked();
    const bench = await WitnessBench.open(log);
    await bench.witness.see(await log.note(7));
    await bench.witness.compare(await other.note(9), log.tree.leaves(), other.tree.leaves());
    const [known] = bench.revocations.equivocations;
    expect(known?.proves).toMatchObject({ kind: 'leaves', index: 5, sizes: [7, 9] });
    // Control: leaves that are not those under the checkpoint.
    const again = await WitnessBench.open(log);
    await again.witness.see(await log.note(7));
    await again.witness.compare(await other.note(9), log.tree.leaves(), log.tree.leaves());
    expect(again.revocations.equivocations).toEqual([]);
  });

  it('reads the leaves under the checkpoint of a draft that does not fit, which prove the fork to others', async () => {
    const [log, other] = [honest(), forked()];
    const evidence = async (showsLeaves: boolean) => {
      const bench = await WitnessBench.open(log);
      bench.leaves = log.tree.leaves();
      await bench.witness.see(await log.note(7));
      bench.answer = async (question) =>
        question.kind === 'log' && showsLeaves
          ? other.answer(question)
          : { kind: 'checkpoint', note: await other.note(9), proof: [] };
      const read = bench.checks.readLog(await other.note(9), () => true);
      await expect(read).rejects.toEqual(code('LOG_INCONSISTENT'));
      return bench.revocations.equivocations.map(({ proves }) => proves);
    };
    expect(await evidence(true)).toMatchObject([{ kind: 'leaves', index: 5, sizes: [7, 9] }]);
    // Control: a controller that shows none.
    expect(await evidence(false)).toEqual([]);
  });

  it('finds that a log which is shorter than what was signed does not go on', async () => {
    const log = honest();
    const bench = await WitnessBench.open(log);
    await bench.witness.see(await log.note(8));
    const restored = new TestLog(leafTexts(0, 4));
    bench.answer = (question) => restored.answer(question);
    await expect(bench.witness.see(await restored.note(4))).rejects.toEqual(code('LOG_INCONSISTENT'));
  });

  it('does not go back: a smaller one that fits is kept, and no line is sent for it', async () => {
    const log = honest();
    const bench = await WitnessBench.open(log);
    await bench.witness.see(await log.note(8));
    expect(await lineOf(bench, await log.note(5))).toBeUndefined();
    expect(sizes(bench)).toEqual([5, 8]);
  });

  it('waits where nobody can be asked, and alarms nobody', async () => {
    const log = honest();
    const bench = await WitnessBench.open(log);
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
    const bench = await WitnessBench.open(log);
    const foreign = await noteOf(log.tree, testKey('stranger'));
    await expect(bench.witness.see(foreign)).rejects.toEqual(code('CHECKPOINT_UNSIGNED'));
    expect(bench.stored).toBeUndefined();
  });

  it('keeps a bounded number of them, the newest', async () => {
    const { checkpointsMax } = workerSessionLimits;
    const log = new TestLog(leafTexts(0, checkpointsMax + 10));
    const bench = await WitnessBench.open(log);
    for (let size = 1; size <= checkpointsMax + 10; size++) await bench.witness.see(await log.note(size));
    expect(sizes(bench)).toHaveLength(checkpointsMax);
    expect(bench.stored?.logs[0]?.seen.at(-1)?.size).toBe(checkpointsMax + 10);
  });

  it('signs one that made room for others since it was seen, once it is proven again', async () => {
    const { checkpointsMax } = workerSessionLimits;
    const log = new TestLog(leafTexts(0, checkpointsMax + 10));
    const bench = await WitnessBench.open(log);
    for (const size of [1, ...Array.from({ length: checkpointsMax + 7 }, (_, n) => n + 3)])
      await bench.witness.see(await log.note(size));
    const draft = await log.note(2);
    await bench.witness.see(draft);
    await bench.witness.see(await log.note());
    expect(sizes(bench)).not.toContain(2);
    const note = addWitness(draft, await bench.witness.sign(draft));
    const { witnesses } = await openCheckpoint(note, { project, log: logKey.id }, joseVerifier);
    expect(witnesses).toMatchObject([{ witness: bench.key.id }]);
    // Control: not where it cannot be.
    log.tree.append('one more');
    await bench.witness.see(await log.note());
    expect(sizes(bench)).not.toContain(2);
    bench.answer = async () => ({ kind: 'error', code: 'MESH_RESET', message: 'gone' });
    await expect(bench.witness.sign(await log.note(2))).rejects.toEqual(code('MESH_RESET'));
  });
});

describe('a receipt that was acknowledged', () => {
  const receipt = 'a'.repeat(64);
  const offer = 'b'.repeat(64);
  const leaf = leaves.receipt(receipt, offer);
  const round = { offer, index: 4, job: 'bafyjob', request: 'd'.repeat(64) };
  const opened = leaves.offer(offer, round.job, round.request);
  const before = [...leafTexts(0, 4), opened];
  const ackAt = async (index: number) => {
    const payload: Ack = {
      iss: logKey.id,
      aud: testKey('witness').id,
      lease: 'c'.repeat(64),
      receipt,
      index,
      iat: at,
    };
    return openMessage('ack', (await signMessage('ack', payload, logKey.signer)).raw, joseVerifier);
  };

  it('is looked for under the next checkpoint, and forgotten once it was found', async () => {
    const log = new TestLog([...before, leaf, ...leafTexts(6, 8)]);
    const bench = await WitnessBench.open(log);
    await bench.witness.promised(await ackAt(5), round);
    await bench.witness.see(await log.note(5));
    // The round is there, which is written with the next checkpoint.
    expect(bench.stored?.promises).toHaveLength(2);
    await bench.restart();
    const lookedFor = () => bench.asked.filter(({ kind }) => kind === 'inclusion').length;
    bench.asked.length = 0;
    await bench.witness.see(await log.note(6));
    expect([lookedFor(), bench.told]).toEqual([2, []]);
    // That it was found is written with the next checkpoint: whoever dies before that looks for it once more.
    await bench.restart();
    await bench.witness.see(await log.note(7));
    expect(lookedFor()).toBe(4);
    await bench.witness.see(await log.note(8));
    expect([lookedFor(), bench.stored?.promises]).toEqual([4, []]);
    expect(bench.told).toEqual([]);
    // The promise, and four checkpoints.
    expect(bench.saves).toBe(5);
  });

  it('is kept with its lease and offer, which the machine forgets, until it was found', async () => {
    const log = new TestLog([...before, leaf, ...leafTexts(6, 8)]);
    const bench = await WitnessBench.open(log);
    const ack = await ackAt(5);
    await bench.witness.promised(ack, round, { lease: 'its lease', offer: 'its offer' });
    const again = async () => {
      await bench.restart();
      await bench.witness.load();
    };
    await again();
    const held = () => leasesIn(bench.witness.promises);
    expect(held()).toEqual([{ lease: 'its lease', offer: 'its offer', ack: ack.raw }]);
    await bench.witness.see(await log.note(8));
    expect(held()).toEqual([]);
    const long = 'x'.repeat(workerSessionLimits.heldCharsMax + 1);
    await bench.witness.promised(await ackAt(6), round, { lease: 'another', offer: long });
    await again();
    expect(held()).toMatchObject([{ lease: 'another' }]);
    expect(held()[0]?.offer).toBeUndefined();
  });

  it.each<[string, string[]]>([
    ['dropped', [...before, ...leafTexts(5, 8)]],
    ['put elsewhere', [...before, 'leaf 5', leaf, 'leaf 7']],
  ])('and was %s is evidence', async (_what, lines) => {
    const log = new TestLog(lines);
    const bench = await WitnessBench.open(log);
    await bench.witness.promised(await ackAt(5), round);
    await bench.witness.see(await log.note(8));
    const [known] = bench.revocations.equivocations;
    expect(known?.proves).toMatchObject({ kind: 'ack', index: 5, sizes: [8] });
    // The worker sends no further question about that log.
    const asked = bench.asked.length;
    await expect(bench.witness.see(await log.note(8))).rejects.toMatchObject({ code: 'LOG_EQUIVOCATED' });
    expect(bench.asked).toHaveLength(asked);
  });

  it('under another key than that of the log is waited for: neither is held to the word of the other', async () => {
    const log = new TestLog([...before, ...leafTexts(5, 8)]);
    const bench = await WitnessBench.open(log);
    const { payload } = await ackAt(5);
    const other = testKey('an earlier log');
    const { raw } = await signMessage('ack', { ...payload, iss: other.id }, other.signer);
    await bench.witness.promised(await openMessage('ack', raw, joseVerifier), round);
    await bench.witness.see(await log.note(8));
    expect([bench.revocations.equivocations, bench.witness.promises.length, bench.told]).toEqual([[], 1, []]);
  });

  it('and is not shown is reported after a bounded time, and not before', async () => {
    const log = new TestLog(leafTexts(0, 8));
    const bench = await WitnessBench.open(log);
    bench.answer = async () => ({ kind: 'error', code: 'INTERNAL', message: 'no' });
    await bench.witness.promised(await ackAt(5), round);
    await bench.witness.see(await log.note(8));
    expect([bench.told, bench.stored?.promises.length]).toEqual([[], 2]);
    bench.now += 10 * 60_000;
    await bench.witness.see(await log.note(8));
    expect(bench.told).toEqual([]);
    bench.now += 1;
    await bench.witness.see(await log.note(8));
    expect(bench.told.map(({ code: told }) => told)).toEqual(['ACK_NOT_IN_LOG', 'ACK_NOT_IN_LOG']);
    const asked = bench.asked.length;
    await bench.witness.see(await log.note(8));
    expect([bench.told.length, bench.asked.length]).toEqual([2, asked]);
  });

  it('and whose round is not in the log as it was offered ends the trust in it, without evidence for others', async () => {
    const log = new TestLog([...leafTexts(0, 5), leaf, ...leafTexts(6, 8)]);
    const bench = await WitnessBench.open(log);
    await bench.witness.promised(await ackAt(5), round);
    await bench.witness.see(await log.note(8));
    expect(bench.told.map(({ says }) => says)).toEqual([expect.stringContaining('and has "leaf 4" there')]);
    expect([bench.witness.trouble, bench.revocations.equivocations]).toEqual([bench.told[0]?.says, []]);
    await expect(bench.witness.see(await log.note(8))).rejects.toEqual(code('ACK_NOT_IN_LOG'));
  });

  it.each<[string, (answer: object) => object]>([
    ['nothing about it', () => ({ kind: 'leaves', from: 0, size: 0, leaves: [] })],
    ['a leaf without its proof', (answer) => ({ ...answer, proof: [] })],
    ['another leaf without its proof', (answer) => ({ ...answer, leaf: 'leaf 5' })],
  ])('is waited for where the controller shows %s', async (_what, change) => {
    const log = new TestLog([...before, leaf, ...leafTexts(6, 8)]);
    const bench = await WitnessBench.open(log);
    bench.answer = async (question) => {
      const answer = await log.answer(question);
      return question.kind === 'inclusion' ? change(answer) : answer;
    };
    await bench.witness.promised(await ackAt(5), round);
    await bench.witness.see(await log.note(8));
    expect([bench.witness.promises.length, bench.told]).toEqual([2, []]);
    bench.answer = (question) => log.answer(question);
    await bench.witness.see(await log.note(8));
    expect(bench.witness.promises).toEqual([]);
  });

  it('is waited for while the controller cannot be reached, however many others are', async () => {
    const log = new TestLog([...before, leaf, ...leafTexts(6, 8)]);
    const bench = await WitnessBench.open(log);
    await bench.witness.promised(await ackAt(5), round);
    let asked = 0;
    bench.answer = async () => {
      asked++;
      throw new QuorateError('MESH_RESET', 'gone');
    };
    await bench.witness.see(await log.note(8));
    expect([asked, bench.witness.promises.length]).toEqual([1, 2]);
  });

  it('is one of a bounded number', async () => {
    const { promisesMax } = workerSessionLimits;
    const bench = await WitnessBench.open(honest());
    for (let index = 0; index <= promisesMax / 2; index++)
      await bench.witness.promised(await ackAt(10 + index), round);
    expect(bench.stored?.promises).toHaveLength(promisesMax);
    expect(bench.told).toHaveLength(2);
  });
});
