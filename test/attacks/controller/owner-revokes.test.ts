import { describe, expect, it } from 'vitest';
import type { NodeKey } from '../../../src/identity/keys.ts';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { leaves as leafOf, signMessage } from '../../../src/protocol/documents/index.ts';
import { sessionLimits } from '../../../src/protocol/sessions/limits.ts';
import {
  type Asked,
  presentSize,
  revocationsBy,
  unshownLeaves,
} from '../../../src/protocol/sessions/own-revocations.ts';
import type { Channel } from '../../../src/protocol/sessions/ports.ts';
import { RevocationBook } from '../../../src/protocol/sessions/revocation-book.ts';
import { MerkleTree } from '../../../src/protocol/transparency/index.ts';
import type { ApiDown, ApiUp } from '../../../src/protocol/wire/messages.ts';
import { decodeMessage, encodeMessage, revocationsUpSchema } from '../../../src/protocol/wire/messages.ts';
import { codeOf } from '../../support/codes.ts';
import {
  at,
  idp,
  makeCharter,
  noteOf,
  project,
  revocationBy,
  root,
  testKey,
  trusted,
  witnessedBy,
  workerKey,
} from '../../support/project.ts';

/** The owner ends a key; a controller that was taken over says from which leaf on, and what the key had revoked. */
const charter = makeCharter();
const signedCharter = await signMessage('charter', charter, root.signer);
const [mallory, eve] = [
  await revocationBy(idp, { kind: 'operator', id: 'mallory' }),
  await revocationBy(idp, { kind: 'operator', id: 'eve' }),
];
const leaves = [leafOf.charter(signedCharter.id), leafOf.revocation(mallory.id), leafOf.revocation(eve.id)];

interface Answers {
  /** Leaves of the log that the controller shows, and the size that its checkpoint states. */
  leaves: string[];
  size: number;
  lines: readonly [NodeKey, number][];
  told: string[];
}
const honest: Answers = { leaves, size: leaves.length, lines: [[trusted, 0]], told: [mallory.raw, eve.raw] };

async function asking(over: Partial<Answers> = {}, more: Partial<Asked> = {}): Promise<Asked> {
  const answers = { ...honest, ...over };
  const tree = new MerkleTree(answers.leaves.slice(0, answers.size));
  let note = await noteOf(tree);
  for (const [key, age] of answers.lines) note = await witnessedBy(note, key, at - age);
  const book = await RevocationBook.open(project, joseVerifier, {
    load: async () => undefined,
    save: async () => {},
  });
  await book.learn({ charters: [signedCharter.raw], revocations: answers.told });
  const channel = (): Channel => {
    const said: Uint8Array[] = [];
    const send = async (bytes: Uint8Array) => {
      decodeMessage(bytes, revocationsUpSchema, 'a question');
      said.push(encodeMessage({ kind: 'revocations', ...book.page() }));
    };
    const receive = async () => said.shift();
    return {
      peer: 'controller',
      closed: false,
      send,
      receive,
      close: async () => {},
      abort: () => {},
    } as Channel;
  };
  const ask = async (question: ApiUp): Promise<ApiDown> => {
    if (question.kind === 'checkpoint') return { kind: 'checkpoint', note, proof: [], grants: [] };
    if (question.kind !== 'log') throw new Error(question.kind);
    const { from } = question;
    return { kind: 'leaves', from, leaves: answers.leaves.slice(from), size: answers.size };
  };
  return {
    dial: async () => channel(),
    controller: { id: 'controller', addrs: [] },
    project,
    verifier: joseVerifier,
    ask,
    charter,
    target: idp.id,
    now: () => at * 1000,
    ...more,
  };
}

const size = async (...given: Parameters<typeof asking>) => presentSize(await asking(...given));
const before = leaves.length;
const own = async (...given: Parameters<typeof asking>) =>
  (await revocationsBy(await asking(...given), idp.id, { mayRevoke: true, before })).map(({ what, leaf }) => [
    what.id,
    leaf,
  ]);
/** With nobody in it that signs the log beside the controller. */
const alone = makeCharter({ trusted: [] });

describe('a controller that says how long the log is, when its owner ends a key', () => {
  it.each<[string, Answers['lines']]>([
    ['nobody signed', []],
    ['a worker signed', [[workerKey('ada'), 0]]],
    ['the trusted worker signed long ago', [[trusted, sessionLimits.ownerLineSecondsMax + 1]]],
    ['the trusted worker is to sign', [[trusted, -limits.clockSkewSeconds - 1]]],
  ])('is not believed where %s', async (_what, lines) => {
    expect(await codeOf(size({ size: 0, lines }))).toBe('CHECKPOINT_STALE');
    expect(await codeOf(own({ size: 0, lines }))).toBe('CHECKPOINT_STALE');
    // Control: in a project without a trusted worker it is the controller's word.
    expect(await size({ size: 0, lines }, { charter: alone })).toBe(0);
  });

  it('nor by the line of the key that is ended, or of one that was', async () => {
    expect(
      await codeOf(
        size(
          {},
          { charter: makeCharter({ trusted: [trusted.id, testKey('other').id] }), target: trusted.id },
        ),
      ),
    ).toBe('CHECKPOINT_STALE');
    const end = await signMessage(
      'revocation',
      {
        iss: root.id,
        project,
        what: { kind: 'key', id: trusted.id },
        since: 2 ** 40,
        reason: 'stolen',
        iat: at,
      },
      root.signer,
    );
    const two = { charter: makeCharter({ trusted: [trusted.id, testKey('other').id] }) };
    expect(await codeOf(size({ told: [end.raw] }, two))).toBe('CHECKPOINT_STALE');
    expect(await size({}, two)).toBe(3);
  });

  it('is believed with the trusted worker', async () => {
    expect(await size()).toBe(3);
    for (const age of [sessionLimits.ownerLineSecondsMax, -limits.clockSkewSeconds])
      expect(await size({ lines: [[trusted, age]] })).toBe(3);
  });
});

describe('a controller that shows the owner what a key revoked, of which the root lists what stays', () => {
  it('leaves none out: its leaf is in the log', async () => {
    expect(await own()).toEqual([
      ['mallory', 1],
      ['eve', 2],
    ]);
    expect(await codeOf(own({ told: [eve.raw] }))).toBe('REVOCATION_WITHHELD');
    // Control: where nobody else signed the log. The end of the key would let mallory work again, for good.
    expect(await own({ told: [eve.raw] }, { charter: alone })).toEqual([['eve', 2]]);
  });

  it('nor moves one behind the end by logging it again: it counts where it was first', async () => {
    const again = [...leaves, leafOf.revocation(mallory.id)];
    expect(await own({ leaves: again, size: again.length })).toEqual([
      ['mallory', 1],
      ['eve', 2],
    ]);
  });

  it('nor its leaf with it: the checkpoint is over all of them', async () => {
    const [first = '', , last = ''] = leaves;
    const shown = { leaves: [first, 'something', last], told: [eve.raw] };
    const asked = await asking();
    const liar = await asking(shown);
    const ask = (question: ApiUp) => (question.kind === 'checkpoint' ? asked : liar).ask(question);
    expect(await codeOf(revocationsBy({ ...liar, ask }, idp.id, { mayRevoke: true, before }))).toBe(
      'LOG_LEAVES_MISMATCH',
    );
    expect(await own(shown, { charter: alone })).toEqual([['eve', 2]]);
  });
});

describe('a controller that answers something else than it is asked', () => {
  /** In a project where the log is the controller's word, of this many leaves. */
  const unshown = async (
    answers: (from: number) => object,
    which: number | string[] = 0,
    told = honest.told,
  ) => {
    const ask = async (question: ApiUp) => answers('from' in question ? question.from : -1) as ApiDown;
    return unshownLeaves(await asking({ told }, { charter: alone, ask }), which);
  };
  const page = (size: number, most: number) => (from: number) => ({
    kind: 'leaves',
    from: Math.min(from, size),
    size,
    leaves: leaves.slice(from, from + most),
  });

  it('has its leaves read message by message, from an index on', async () => {
    for (const most of [1, 2, 9]) {
      expect(await unshown(page(3, most))).toEqual([]);
      expect(await unshown(page(3, most), 0, [])).toEqual([mallory.id, eve.id]);
    }
    expect(await unshown(page(3, 9), 1, [])).toEqual([mallory.id, eve.id]);
    expect(await unshown(page(3, 9), 2, [])).toEqual([eve.id]);
    expect(await unshown(page(2, 9), 0, [])).toEqual([mallory.id]);
    expect(await unshown(page(3, 9), [eve.id, eve.id], [])).toEqual([eve.id]);
  });

  it.each<[string, (from: number) => object, string]>([
    ['is said to have more', page(4, 9), 'LOG_UNREADABLE'],
    ['is too large', page(sessionLimits.logLeavesMax + 1, 9), 'LOG_TOO_LARGE'],
    ['is as large as is read', page(sessionLimits.logLeavesMax, 9), 'LOG_UNREADABLE'],
    ['is another answer', () => ({ kind: 'end' }), 'CONTROLLER_UNEXPECTED_ANSWER'],
    ['is from elsewhere', (from) => ({ ...page(3, 1)(from), from: 7 }), 'CONTROLLER_UNEXPECTED_ANSWER'],
  ])('is not believed where its log %s', async (_what, answers, code) => {
    expect(await codeOf(unshown(answers))).toBe(code);
  });
});
