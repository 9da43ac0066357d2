import { describe, expect, it } from 'vitest';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { type Ack, leaves, openMessage, signMessage } from '../../../src/protocol/documents/index.ts';
import { forked, honest, leafTexts, TestLog, WitnessBench } from '../../protocol/sessions/log-bench.ts';
import { codeOf } from '../../support/code-and-folder.ts';
import { at, log, project, root, testKey } from '../../support/project.ts';

/** Whether a worker signs a log that its controller shows, after all it has seen. */
const signs = (bench: WitnessBench, of: TestLog, size: number) =>
  codeOf(async () => {
    const note = await of.note(size);
    await bench.witness.see(note);
    await bench.witness.sign(note);
  });

describe('a controller that tells two workers two stories', () => {
  /** Each worker is shown one log; `apart`: the workers do not talk to each other. */
  async function attack(sizes: [number, number], apart: boolean) {
    const [one, two] = [honest(), forked()];
    const ada = await WitnessBench.open(one, 'ada');
    const bob = await WitnessBench.open(two, 'bob');
    if (!apart) [ada.neighbours, bob.neighbours] = [[bob], [ada]];
    expect(await signs(ada, one, sizes[0])).toBeUndefined();
    expect(await signs(bob, two, sizes[1])).toBeUndefined();
    await ada.talk();
    await bob.talk();
    return { ada, bob, next: [await signs(ada, one, 8), await signs(bob, two, 9)] };
  }

  it.each<[string, [number, number]]>([
    ['one size', [8, 8]],
    ['two sizes', [7, 8]],
    ['two sizes, the other way round', [8, 6]],
  ])('of %s is found out, with evidence that both keep', async (_what, sizes) => {
    const { ada, bob, next } = await attack(sizes, false);
    expect(next).toEqual(['LOG_EQUIVOCATED', 'LOG_EQUIVOCATED']);
    for (const { revocations } of [ada, bob])
      expect(revocations.equivocations[0]?.proves).toMatchObject({ log: log.id, kind: 'roots' });
  });

  it('control: goes on where the workers do not talk to each other', async () => {
    const { ada, next } = await attack([8, 8], true);
    expect(next).toEqual([undefined, undefined]);
    expect(ada.revocations.equivocations).toEqual([]);
  });

  it('control: workers that are told one story find nothing', async () => {
    const one = honest();
    const ada = await WitnessBench.open(one, 'ada');
    const bob = await WitnessBench.open(one, 'bob');
    [ada.neighbours, bob.neighbours] = [[bob], [ada]];
    await signs(ada, one, 5);
    await signs(bob, one, 7);
    await ada.talk();
    await bob.talk();
    expect([await signs(ada, one, 8), await signs(bob, one, 8)]).toEqual([undefined, undefined]);
    expect([ada.told, bob.told]).toEqual([[], []]);
  });
});

describe('a thief of a log key that is the neighbour of a worker which has seen nothing of the log yet', () => {
  async function attack(asNeighbour: boolean) {
    const told = forked();
    const ada = await WitnessBench.open(honest(), 'ada');
    const thief = await WitnessBench.open(told, 'a thief');
    await signs(thief, told, 9);
    ada.neighbours = [thief];
    if (asNeighbour) await ada.talk();
    // From the controller the worker would sign it.
    else await signs(ada, told, 9);
    return signs(ada, honest(), 8);
  }

  it('does not tell it the first of it, which all others would contradict', async () =>
    expect(await attack(true)).toBeUndefined());
  it('control: does where that is taken from anybody', async () =>
    expect(await attack(false)).toBe('LOG_INCONSISTENT'));
});

describe('a controller that drops a receipt which it acknowledged', () => {
  const receipt = 'a'.repeat(64);
  const offer = 'b'.repeat(64);
  const round = { offer, index: 4, job: 'bafyjob', request: 'd'.repeat(64) };
  async function attack(dropped: boolean, keepsAcks: boolean) {
    const leaf = dropped ? 'leaf 5' : leaves.receipt(receipt, offer);
    const opened = leaves.offer(offer, round.job, round.request);
    const shown = new TestLog([...leafTexts(0, 4), opened, leaf, ...leafTexts(6, 8)]);
    const ada = await WitnessBench.open(shown, 'ada');
    const payload: Ack = { iss: log.id, aud: testKey('ada').id, lease: receipt, receipt, index: 5, iat: at };
    const { raw } = await signMessage('ack', payload, log.signer);
    if (keepsAcks) await ada.witness.promised(await openMessage('ack', raw, joseVerifier), round);
    await signs(ada, shown, 7);
    return signs(ada, shown, 8);
  }

  it('is found out by the worker that has the ack', async () =>
    expect(await attack(true, true)).toBe('LOG_EQUIVOCATED'));
  it('control: goes on where workers forget their acks, or nothing was dropped', async () => {
    expect(await attack(true, false)).toBeUndefined();
    expect(await attack(false, true)).toBeUndefined();
  });
});

describe('a controller that has builds in a round which nobody who rereads its log is to find', () => {
  const receipt = 'a'.repeat(64);
  const round = { offer: 'b'.repeat(64), index: 4, job: 'bafyjob', request: 'd'.repeat(64) };
  async function attack(opened: string | undefined, looksForRounds = true) {
    const lines = [...leafTexts(0, 4), opened ?? 'leaf 4', leaves.receipt(receipt, round.offer), 'leaf 6'];
    const shown = new TestLog(lines);
    const ada = await WitnessBench.open(shown, 'ada');
    const payload: Ack = { iss: log.id, aud: testKey('ada').id, lease: receipt, receipt, index: 5, iat: at };
    const { raw } = await signMessage('ack', payload, log.signer);
    await ada.witness.promised(await openMessage('ack', raw, joseVerifier), round);
    if (!looksForRounds && ada.stored !== undefined) {
      ada.stored.promises = ada.stored.promises.filter(({ leaf }) => leaf.startsWith('receipt '));
      await ada.restart();
    }
    await signs(ada, shown, 7);
    return [ada.told.map(({ code }) => code), await signs(ada, shown, 7)];
  }

  it('is told of by the worker that builds there, which signs nothing more: it is not in the log, or under another request', async () => {
    expect(await attack(undefined)).toEqual([['ACK_NOT_IN_LOG'], 'ACK_NOT_IN_LOG']);
    const other = leaves.offer(round.offer, round.job, 'e'.repeat(64));
    expect(await attack(other)).toEqual([['ACK_NOT_IN_LOG'], 'ACK_NOT_IN_LOG']);
  });
  it('control: goes on where workers look for their receipts alone, or the round is there', async () => {
    expect(await attack(undefined, false)).toEqual([[], undefined]);
    expect(await attack(leaves.offer(round.offer, round.job, round.request))).toEqual([[], undefined]);
  });
});

describe('a thief of a log key that the root has revoked', () => {
  const attack = async (since: number | undefined) => {
    const ada = await WitnessBench.open(honest(), 'ada');
    const what = { kind: 'key', id: log.id } as const;
    const payload = { iss: root.id, project, what, since: since ?? 0, reason: 'stolen', iat: at };
    const { raw } = await signMessage('revocation', payload, root.signer);
    if (since !== undefined) await ada.feed.learn({ charters: [], revocations: [raw] });
    return signs(ada, honest(), 8);
  };

  it('has nothing witnessed from there on', async () => expect(await attack(7)).toBe('KEY_REVOKED'));
  it('control: has where that is not known, and what is before it', async () => {
    expect(await attack(undefined)).toBeUndefined();
    expect(await attack(8)).toBeUndefined();
  });
});

describe('a controller that rewrites its log', () => {
  const rewritten = () => new TestLog([...leafTexts(0, 3), ...leafTexts(3, 9, 'rewritten')]);
  async function attack(forgets: boolean) {
    const ada = await WitnessBench.open(honest(), 'ada');
    await signs(ada, honest(), 8);
    if (forgets) ada.stored = undefined;
    await ada.restart();
    const shown = rewritten();
    ada.answer = (question) => shown.answer(question);
    return { ada, next: await signs(ada, shown, 9) };
  }

  it('is not witnessed by a worker that restarted meanwhile', async () => {
    const { ada, next } = await attack(false);
    expect(next).toBe('LOG_FORKED');
    expect(ada.witness.trouble).not.toBeNull();
  });
  it('control: is by one that lost what it saw', async () =>
    expect((await attack(true)).next).toBeUndefined());
});
