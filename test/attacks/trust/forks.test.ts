import { beforeAll, describe, expect, it } from 'vitest';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { type Bundle, encodeEquivocation, signMessage } from '../../../src/protocol/documents/index.ts';
import { RevocationBook, type StoredRevocations } from '../../../src/protocol/sessions/revocation-book.ts';
import { MerkleTree, withoutWitnesses, witnessCheckpoint } from '../../../src/protocol/transparency/index.ts';
import { checkEquivocation } from '../../../src/protocol/trust/index.ts';
import type { Revoked } from '../../../src/protocol/trust/revocations.ts';
import {
  at,
  keyRevoked,
  log,
  makeCharter,
  makeProject,
  noteOf,
  type Project,
  policy,
  project,
  type Run,
  revocationBy,
  root,
  testKey,
  trusted,
  workerKey,
} from '../../support/project.ts';
import { verifyWithout } from './attack.ts';

const second = testKey('second');
const threeAlike: Run[] = ['ada', 'bob', 'cyd'].map((operator) => ({ operator, builds: 'good' }));
const withoutCosign = { ...policy, cosign: 'none' } as const;
const bothTrusted = [trusted.id, second.id];

/** Signatures under the checkpoints of a story. */
type Lines = readonly { key: { id: string; signer: typeof log.signer }; of?: string; broken?: true }[];
const trustedLine: Lines = [{ key: trusted }];
const secondLine: Lines = [{ key: second }];

const trees = ['one', 'two'].map((story) => new MerkleTree(['a', 'b', story, 'd']));
async function lined(note: string, lines: Lines): Promise<string> {
  let with_ = note;
  for (const { key, of, broken } of lines) {
    const line = await witnessCheckpoint(of ?? note, key.signer, at);
    // Another time than that which was signed.
    with_ +=
      broken === undefined
        ? line
        : await witnessCheckpoint(await noteOf(new MerkleTree(['x'])), key.signer, at);
  }
  return with_;
}

/** Evidence that the log key signed two logs, with these lines under each. */
async function twoStories(first: Lines, other: Lines, among = bothTrusted): Promise<string> {
  const charter = (await signMessage('charter', makeCharter({ trusted: [...among] }), root.signer)).raw;
  const [one, two] = await Promise.all(trees.map((tree) => noteOf(tree)));
  const checkpoints: [string, string] = [await lined(one ?? '', first), await lined(two ?? '', other)];
  return encodeEquivocation({ v: 1, kind: 'roots', charter, checkpoints });
}

const linesOf = async (raw: string) => (await checkEquivocation(raw, project, joseVerifier)).lines;

/** The root ends a key. */
const ended = async ({ id }: { id: string }, since = 0): Promise<string> => {
  return (await revocationBy(root, { kind: 'key', id }, { since, reason: 'stolen' })).raw;
};

/** Knowledge of a consumer after evidence and the root's revocations in this order, and how often it changed. */
const learned = (...all: string[]) => learnedWithout([], ...all);
async function learnedWithout(
  off: readonly string[],
  ...all: string[]
): Promise<{ revoked: Revoked[]; times: number; stored: unknown }> {
  let stored: StoredRevocations | undefined;
  const file = {
    load: async () => undefined,
    save: async (kept: StoredRevocations) => {
      stored = kept;
    },
  };
  const book = await RevocationBook.openBy(new Set(off), project, joseVerifier, file);
  let times = 0;
  for (const raw of all) {
    const list = raw.startsWith('{') ? { equivocations: [raw], revocations: [] } : { revocations: [raw] };
    times += (await book.learn({ charters: [], ...list })).found.length;
  }
  return { revoked: book.revoked, times, stored: stored?.equivocations };
}

const verify = async (bundle: Bundle, evidence: readonly string[], off: readonly string[] = []) =>
  verifyWithout(off, bundle, { project, revocations: (await learned(...evidence)).revoked });
const said = async (...given: Parameters<typeof verify>) => (await verify(...given)).code;

let cosigned: Project;
let witnessed: Project;
let agreed: Project;
/** Where the log key tells two stories of which a trusted worker signed none, one, both. */
let none: string;
let first: string;
let both: string;
beforeAll(async () => {
  const charter = (valid: ReturnType<typeof makeCharter>) => ({
    ...valid,
    trusted: bothTrusted,
    floor: { ...valid.floor, cosign: 'none' as const },
  });
  cosigned = await makeProject();
  witnessed = await makeProject({ charter, policy: withoutCosign, own: null, runs: threeAlike });
  agreed = await makeProject({ own: null, runs: threeAlike });
  [none, first, both] = [
    await twoStories([], []),
    await twoStories(trustedLine, []),
    await twoStories(trustedLine, secondLine),
  ];
});

describe('a thief of a log key, retired or not, that tells a second story', () => {
  it('voids nothing that is under the line of a trusted worker', async () => {
    for (const evidence of [none, first])
      expect(await verify(cosigned.bundle, [evidence])).toMatchObject({ ok: true, level: 'trusted' });
  });
  it('control: voids it where that line is not looked for, or is not there', async () => {
    const bare = { ...cosigned.bundle, checkpoint: withoutWitnesses(cosigned.bundle.checkpoint) };
    expect(await said(bare, [first])).toBe('LOG_EQUIVOCATED');
    expect(await said(bare, [])).toBe('WITNESS_MISSING');
  });

  it('voids what rests on the log key: what is agreed on, and what operators witnessed', async () => {
    for (const { bundle } of [agreed, witnessed]) {
      const verified = await verify(bundle, [first]);
      expect(verified).toMatchObject({ ok: false, code: 'LOG_EQUIVOCATED' });
      expect(verified.steps.at(-1)?.says).toContain('signed two logs of 4 leaves');
    }
  });
  it('control: which would pass where evidence is not looked at', async () => {
    for (const { bundle } of [agreed, witnessed])
      expect(await verify(bundle, [first], ['LOG_EQUIVOCATED'])).toMatchObject({ ok: true });
    expect(await verify(witnessed.bundle, [])).toMatchObject({ ok: true, level: 'trusted' });
  });

  it('spares what no trusted worker co-signed where one signed the log that it is in', async () => {
    const { bundle } = witnessed;
    const checkpoint = await lined(bundle.checkpoint, [
      { key: trusted, of: withoutWitnesses(bundle.checkpoint) },
    ]);
    expect(await verify({ ...bundle, checkpoint }, [first])).toMatchObject({ ok: true, level: 'trusted' });
  });

  it.each<[string, (note: string) => Promise<Lines>, string]>([
    ['of a worker', async (of) => [{ key: workerKey('ada', 7), of }], 'LOG_EQUIVOCATED'],
    ['of a stranger', async (of) => [{ key: testKey('mallory'), of }], 'LOG_EQUIVOCATED'],
    [
      'of a trusted worker for another log',
      async () => [{ key: trusted, broken: true }],
      'CHECKPOINT_BAD_SIGNATURE',
    ],
  ])('does not pass off the line %s as one for this story', async (_whose, lines, code) => {
    const note = withoutWitnesses(witnessed.bundle.checkpoint);
    const checkpoint = await lined(witnessed.bundle.checkpoint, await lines(note));
    expect(await said({ ...witnessed.bundle, checkpoint }, [first])).toBe(code);
  });

  it('does not pass off the line of a key that was revoked before the verdict', async () => {
    const { bundle } = witnessed;
    const checkpoint = await lined(bundle.checkpoint, [
      { key: trusted, of: withoutWitnesses(bundle.checkpoint) },
    ]);
    const { revoked } = await learned(first);
    const of = (since: number) => ({ project, revocations: [...revoked, keyRevoked(trusted.id, since)] });
    expect(await verifyWithout([], { ...bundle, checkpoint }, of(0))).toMatchObject({
      code: 'LOG_EQUIVOCATED',
    });
    expect(await verifyWithout([], { ...bundle, checkpoint }, of(99))).toMatchObject({ ok: true });
  });
});

describe('a log key and a trusted worker’s key that are stolen together, or a trusted worker that is deceived', () => {
  it('void everything under that log key', async () => {
    for (const { bundle } of [cosigned, witnessed, agreed])
      expect(await said(bundle, [both])).toBe('LOG_EQUIVOCATED');
    expect(await said(cosigned.bundle, [await twoStories(trustedLine, trustedLine)])).toBe('LOG_EQUIVOCATED');
  });
  // A line does not say beside which log key it was given: the thief of the one before signs the story that goes on from a copy.
  it('counts the lines of a trusted worker that went on with its key, and not of one that got another', async () => {
    expect(await linesOf(await twoStories(trustedLine, trustedLine, [trusted.id]))).toBe(2);
    expect(await linesOf(await twoStories(trustedLine, secondLine, [trusted.id]))).toBe(1);
  });

  it('control: what both sign passes where their evidence is not looked at', async () =>
    expect(await verify(cosigned.bundle, [both], ['LOG_EQUIVOCATED'])).toMatchObject({ ok: true }));
});

describe('a log key and a trusted worker’s key that are stolen together, once the root has ended the latter', () => {
  async function verdict(off: readonly string[], ...known: string[]) {
    const { revoked: revocations } = await learnedWithout(off, ...known);
    return (await verifyWithout([], cosigned.bundle, { project, revocations })).code;
  }

  // The thief chooses what its line is under, so an index says nothing.
  it.each([0, 1, 99])('void nothing under the line of another one, from leaf %i on', async (since) => {
    const end = await ended(second, since);
    const alone = await twoStories(secondLine, secondLine);
    for (const order of [...permutations([both, end]), ...permutations([alone, end])])
      expect(await verdict([], ...order)).toBeNull();
  });
  it('control: void everything where a line of the ended key counts', async () => {
    const end = await ended(second, 99);
    for (const order of permutations([both, end]))
      expect(await verdict(['lines-of-revoked'], ...order)).toBe('LOG_EQUIVOCATED');
  });
  it('spare what that key itself signed before the leaf of its end, and nothing after', async () => {
    expect(await verdict([], both, await ended(trusted, 99))).toBeNull();
    expect(await verdict([], both, await ended(trusted, 0))).not.toBeNull();
  });
  it('do not keep out what others prove then', async () => {
    const third = testKey('third');
    const among = [trusted.id, second.id, third.id];
    const others = await twoStories(trustedLine, [{ key: third }], among);
    expect(await verdict([], both, await ended(second), others)).toBe('LOG_EQUIVOCATED');
  });
});

describe('a change of the witness lines in evidence', () => {
  it.each<[string, number, Lines, Lines, string[]?]>([
    ['takes away', 0, [], []],
    ['puts a line of one story under the other', 1, trustedLine, [{ key: second, of: 'first' }]],
    ['puts a broken line beside', 1, trustedLine, [{ key: second, broken: true }]],
    ['puts a broken line before', 1, [{ key: second, broken: true }, { key: trusted }], []],
    ['puts lines of workers', 0, [{ key: workerKey('ada') }], [{ key: workerKey('bob') }]],
    ['puts lines of trusted workers that this charter does not name', 0, trustedLine, secondLine, []],
  ])(
    '%s: it says of %i that a trusted worker signed them, and proves the rest',
    async (_what, lines, one, two, among) => {
      const of = await noteOf(trees[0] as MerkleTree);
      const other = two.map((line) => (line.of === 'first' ? { ...line, of } : line));
      const raw = await twoStories(one, other, among);
      expect(await linesOf(raw)).toBe(lines);
    },
  );

  it('changes nothing for who knows more, and is replaced by what says more, in any order', async () => {
    const second_ = await twoStories([], secondLine);
    const all = [none, first, second_, both];
    for (const order of permutations(all)) {
      const { revoked, times, stored } = await learned(...order);
      expect(revoked.map(({ what }) => what)).toEqual([{ kind: 'log', id: log.id, whole: true }]);
      expect(stored).toEqual([both]);
      // From none to one to both.
      expect(times).toBeLessThanOrEqual(3);
    }
    for (const order of permutations([none, first, second_]))
      expect((await learned(...order)).revoked).toMatchObject([{ what: { whole: false } }]);
  });
  it('control: where the first that is heard stays, whoever strips the lines and is heard first decides', async () => {
    expect(await said(cosigned.bundle, [none])).toBeNull();
    expect(await said(cosigned.bundle, [none, both])).toBe('LOG_EQUIVOCATED');
  });
});

describe('a thief of several log keys that were replaced', () => {
  /** Evidence against as many log keys of the project, the one in force last. */
  const against = (count: number) =>
    Promise.all(
      Array.from({ length: count }, async (_, n) => {
        const key = n === count - 1 ? log : testKey(`log ${n}`);
        const charter = await signMessage('charter', makeCharter({ epoch: n + 1, log: key.id }), root.signer);
        const [one = '', two = ''] = await Promise.all(trees.map((tree) => noteOf(tree, key)));
        return encodeEquivocation({ v: 1, kind: 'roots', charter: charter.raw, checkpoints: [one, two] });
      }),
    );

  it('leaves room for evidence against the one in force', async () => {
    expect(await said(agreed.bundle, await against(5))).toBe('LOG_EQUIVOCATED');
  });
  it('control: not where all room is taken, which says so', async () => {
    const all = await against(limits.equivocationsMax + 1);
    expect(await said(agreed.bundle, all)).toBeNull();
    const file = { load: async () => undefined, save: async () => {} };
    const book = await RevocationBook.open(project, joseVerifier, file);
    const { refused } = await book.learn({ charters: [], revocations: [], equivocations: all });
    expect(refused.map(({ code }) => code)).toEqual(['REVOCATIONS_FULL']);
  });
});

describe('a checkpoint of a log that tells two stories', () => {
  async function pipeline(upper: Parameters<typeof makeProject>[0]) {
    const before = await makeProject({ own: null, runs: threeAlike });
    return makeProject({ ...upper, reads: { app: { from: before, level: 'agreed' } } });
  }
  const gated = async (upper: Parameters<typeof makeProject>[0]) => {
    const charter = (valid: ReturnType<typeof makeCharter>) => ({
      ...valid,
      floor: { ...valid.floor, cosign: 'none' as const },
    });
    const before = await makeProject({ charter, policy: withoutCosign, own: null, runs: threeAlike });
    return makeProject({ charter, ...upper, reads: { app: { from: before } } });
  };

  it('stands for a verdict that a trusted worker co-signed, which checked it then', async () => {
    const { bundle } = await gated({});
    expect(await verify(bundle, [first])).toMatchObject({ ok: true, level: 'trusted' });
    expect(await said(bundle, [both])).toBe('INPUT_NOT_VERIFIED');
  });
  it('control: and for no other', async () => {
    const { bundle } = await gated({ policy: withoutCosign, own: null, runs: threeAlike });
    const of = withoutWitnesses(bundle.checkpoint);
    const checkpoint = await lined(bundle.checkpoint, [{ key: trusted, of }]);
    const verified = await verify({ ...bundle, checkpoint }, [first]);
    expect(verified).toMatchObject({ ok: false, code: 'LOG_EQUIVOCATED' });
    expect(verified.steps.at(-1)?.says).toContain('what the verdict rests on does not stand');
    expect(await verify({ ...bundle, checkpoint }, [])).toMatchObject({ ok: true });
    const { draft } = await pipeline({});
    const { revoked: revocations } = await learned(first);
    expect(await verifyWithout([], draft, { project, revocations }, 'draft')).toMatchObject({
      code: 'LOG_EQUIVOCATED',
    });
  });
});

function permutations<T>(all: readonly T[]): T[][] {
  if (all.length < 2) return [[...all]];
  return all.flatMap((one, at) =>
    permutations([...all.slice(0, at), ...all.slice(at + 1)]).map((rest) => [one, ...rest]),
  );
}
