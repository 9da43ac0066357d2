import { describe, expect, it } from 'vitest';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import {
  type Bundle,
  claimedStatementId,
  openStatement,
  type Policy,
  type Request,
} from '../../../src/protocol/documents/index.ts';
import { MerkleTree } from '../../../src/protocol/transparency/index.ts';
import { LogView } from '../../../src/protocol/trust/index.ts';
import { factsOf } from '../../../src/protocol/trust/steps/documents.ts';
import { type AnswerRecipe, makeAnswer } from '../../support/answers.ts';
import {
  at,
  exit,
  keyRevoked,
  makeProject,
  namedWitness,
  nonceOf,
  noteOf,
  policy,
  type Recipe,
  testKey,
  trusted,
  workerKey,
} from '../../support/project.ts';
import { verifyWithout } from './attack.ts';

const open = { ...policy, cosign: 'none' } as const;
const three = ['ada', 'bob', 'cyd'];
const builds = (operators = three): Recipe => ({
  runs: operators.map((operator) => ({ operator, builds: 'good' })),
});
/** N operators agree, and no trusted worker has built. */
const uncosigned: Recipe = { own: null, policy: open };
const under =
  (policy: Partial<Policy>): AnswerRecipe['request'] =>
  (valid) => ({
    ...valid,
    policy: { ...valid.policy, ...policy },
  });

const withoutCosignature = (valid: Bundle): Bundle => {
  const { signatures, ...envelope } = JSON.parse(valid.verdict);
  return { ...valid, verdict: JSON.stringify({ ...envelope, signatures: signatures.slice(0, 1) }) };
};

async function answer(recipe: Omit<AnswerRecipe, 'from'>, first: Recipe = {}): Promise<Bundle> {
  const from = await makeProject(first);
  return (await makeAnswer({ ...recipe, from })).bundle;
}

/** The answer is refused with the code, and is trusted where that guard is off. */
async function holdsOff(
  code: string,
  recipe: Omit<AnswerRecipe, 'from'>,
  first: Recipe = {},
  also: string[] = [],
) {
  const bundle = await answer(recipe, first);
  expect(await verifyWithout([], bundle)).toMatchObject({ ok: false, level: 'none', code });
  expect(await verifyWithout([code, ...also], bundle)).toMatchObject({ ok: true, level: 'trusted' });
}

it('a request is answered from the evidence of an earlier one of the same job', async () => {
  const from = await makeProject();
  const { bundle, request, leaves } = await makeAnswer({ from });
  const found = await verifyWithout([], bundle, { log: LogView.of(leaves), ref: 'next' });
  expect(found.steps.map(({ step }) => step)).toEqual([
    ...['charter', 'request', 'job', 'offers', 'receipts', 'verdict', 'log', 'earlier'],
    ...['revocations', 'decision', 'co-signature', 'expected'],
  ]);
  expect(found).toMatchObject({ ok: true, level: 'trusted' });
  expect(found.facts).toMatchObject({
    request,
    earlier: from.request.id,
    ref: 'refs/heads/next',
    artifact: from.artifact,
    operators: three,
    cosigners: [trusted.id],
    files: [{ path: 'app' }],
  });
  // Its age is that of what was built.
  const before = await verifyWithout([], from.bundle);
  expect([found.facts?.time, found.facts?.witnessed]).toEqual([before.facts?.time, before.facts?.witnessed]);
});

describe('a controller that answers a request from evidence that is not enough for it', () => {
  it('that of fewer operators than this one asks for', async () => {
    const request = under({ agree: 3 });
    await holdsOff('VERDICT_UNSUPPORTED_BY_EVIDENCE', { request }, builds(['ada', 'bob']));
  });

  it('that of more slots, or of more rounds, than this one allows', async () => {
    const wide: Recipe = {
      policy: { ...policy, agree: 3, of: 5 },
      runs: [
        ...[
          { operator: 'eve', builds: 'evil' },
          { operator: 'fay', builds: 'odd' },
        ],
        ...three.map((operator) => ({ operator, builds: 'good' })),
      ],
    };
    await holdsOff('VERDICT_UNSUPPORTED_BY_EVIDENCE', {}, wide);
    const late: Recipe = {
      policy: { ...policy, rounds: 2 },
      runs: three.map((operator) => ({ operator, builds: 'good', round: 2 })),
      own: { operator: 'owner', builds: 'good', round: 2 },
    };
    // The first round came to nothing.
    late.runs?.unshift(...['gil', 'hal'].map((operator) => ({ operator, builds: operator, round: 1 })));
    await holdsOff('VERDICT_UNSUPPORTED_BY_EVIDENCE', { request: under({ rounds: 1 }) }, late);
  });

  it('that without the co-signature that this one asks for', async () => {
    await holdsOff('VERDICT_UNSUPPORTED_BY_EVIDENCE', {}, uncosigned, ['COSIGN_MISSING']);
    await holdsOff('COSIGN_MISSING', {}, { policy: open, bundle: withoutCosignature });
  });

  it('that with the co-signature of a trusted worker that the charter of today does not name', async () => {
    const charter: AnswerRecipe['charter'] = (valid) => ({
      ...valid,
      epoch: 2,
      trusted: [testKey('another trusted worker').id],
    });
    await holdsOff('VERDICT_UNSUPPORTED_BY_EVIDENCE', { charter }, {}, ['COSIGN_MISSING']);
  });

  it('that with fewer witnesses than this one needs, or without those that the charter of today names', async () => {
    const request = under({ ...open, agree: 3 });
    const witnesses = ['ada', 'bob'].map((operator) => ({ operator }));
    await holdsOff('WITNESS_OPERATORS_MISSING', { request }, { ...uncosigned, witnesses });
    const charter: AnswerRecipe['charter'] = (valid) => ({
      ...valid,
      epoch: 2,
      witnesses: { need: 1, keys: [namedWitness('outside')] },
    });
    await holdsOff('CHARTER_WITNESS_MISSING', { request: under(open), charter }, uncosigned);
    const witnessed = await answer(
      { request: under(open), charter },
      { ...uncosigned, namedWitnesses: ['outside'] },
    );
    expect(await verifyWithout([], witnessed)).toMatchObject({ ok: true, level: 'trusted' });
  });

  it('that which the policy floor of today does not allow', async () => {
    const charter: AnswerRecipe['charter'] = (valid) => ({
      ...valid,
      epoch: 2,
      floor: { ...valid.floor, agree: 3 },
    });
    await holdsOff('POLICY_BELOW_FLOOR', { charter });
  });

  it('that which rests on who was revoked since, for the earlier request or for this one', async () => {
    const revocations = [keyRevoked(workerKey('ada').id, 0)];
    const spared = await answer({ request: under({ agree: 3 }) });
    expect((await verifyWithout([], spared, { revocations })).code).toBe('VERDICT_UNSUPPORTED_BY_EVIDENCE');
    expect(await verifyWithout(['key-revoked'], spared, { revocations })).toMatchObject({ ok: true });
    expect(await verifyWithout([], await answer({}), { revocations })).toMatchObject({ level: 'trusted' });
    const needed = await answer({}, builds(['ada', 'bob']));
    expect((await verifyWithout([], needed, { revocations })).code).toBe('EARLIER_NOT_VERIFIED');
    const signer = [keyRevoked(trusted.id, 0)];
    expect((await verifyWithout([], await answer({}), { revocations: signer })).code).toBe(
      'EARLIER_NOT_VERIFIED',
    );
  });

  it('that of the controller alone, which says more than its own request came to', async () => {
    const first: Recipe = { ...uncosigned, policy: { ...policy }, level: 'agreed' };
    await holdsOff('EARLIER_BELOW_LEVEL', { request: under(open) }, first, ['WITNESS_OPERATORS_MISSING']);
  });
});

describe('a controller that answers a request', () => {
  it('which asks for the job to be built again', async () => {
    await holdsOff('REBUILD_ASKED', { request: (valid) => ({ ...valid, rebuild: true }) });
  });

  it('for a job of the host, or with a network', async () => {
    for (const job of [{ image: 'host' as const }, { network: ['vcs' as const] }])
      await holdsOff('EARLIER_NOT_ALLOWED', { job }, { job });
  });

  it('with the evidence of another job, which is laxer', async () => {
    await holdsOff('EARLIER_JOB_MISMATCH', { job: { run: ['make check'] } });
  });

  it('with another outcome than was built', async () => {
    const evil = exit('evil');
    await holdsOff('EARLIER_OUTCOME_MISMATCH', { facts: (valid) => ({ ...valid, outcome: evil }) });
  });

  it('and lists files, or receipts, that nobody built', async () => {
    const files = [{ path: 'app', sha256: 'e'.repeat(64) }];
    await holdsOff('VERDICT_SUBJECTS_MISMATCH', { files });
    const { receipts } = factsOf(
      await openStatement('verdict', (await makeProject()).bundle.verdict, joseVerifier),
    );
    await holdsOff('VERDICT_RECEIPTS_MISMATCH', { facts: (valid) => ({ ...valid, receipts }) });
  });

  it('with the evidence of another request, or another verdict, than it names', async () => {
    const facts: AnswerRecipe['facts'] = (valid) => ({
      ...valid,
      earlier: { request: valid.earlier?.request ?? '', verdict: 'a'.repeat(64) },
    });
    await holdsOff('EARLIER_VERDICT_MISMATCH', { facts });
  });

  it('with a verdict that came after it', async () => {
    await holdsOff('EARLIER_NOT_EARLIER', { back: 1 });
  });

  it('of a publisher whose grant has ended since, or after the end of the request', async () => {
    const day = 86_400;
    const week = (valid: Request) => ({ ...valid, exp: valid.iat + 7 * day });
    await holdsOff('GRANT_NOT_VALID_THEN', { later: 2 * day, request: week });
    await holdsOff('VERDICT_NOT_IN_TIME', { later: 7000 });
  });

  it('in a log of its own, where somebody has the leaves that the others have', async () => {
    const from = await makeProject();
    const { bundle } = await makeAnswer({ from });
    const leaves = [...from.leaves, `revocation ${'a'.repeat(64)}`];
    expect((await verifyWithout([], bundle, { log: LogView.of(leaves) })).code).toBe('LOG_LEAVES_MISMATCH');
    expect((await verifyWithout(['LOG_LEAVES_MISMATCH'], bundle, { log: LogView.of(leaves) })).ok).toBe(true);
  });

  it('without showing from what', async () => {
    const bundle = await answer({ evidence: () => [], bundle: ({ inputs: _, ...rest }) => rest });
    expect((await verifyWithout([], bundle)).code).toBe('EARLIER_EVIDENCE_MISSING');
  });

  it('with an answer', async () => {
    const from = await makeProject();
    const first = await makeAnswer({ from });
    const { inputs: _, ...own } = first.bundle;
    const bundle = await answer({
      request: (valid) => ({ ...valid, jti: nonceOf('a third time') }),
      facts: (valid) => ({
        ...valid,
        earlier: { request: first.request, verdict: claimedStatementId(first.bundle.verdict) ?? '' },
      }),
      evidence: (valid) => [own, ...valid],
    });
    expect((await verifyWithout([], bundle)).code).toBe('EARLIER_NOT_VERIFIED');
  });

  it('and leaves out that it was built for it as well', async () => {
    const from = await makeProject();
    const { bundle, leaves, request } = await makeAnswer({ from });
    const offer = `offer ${'a'.repeat(64)} job ${from.jobId} request ${request}`;
    expect((await verifyWithout([], bundle, { log: LogView.of([...leaves, offer]) })).ok).toBe(true);
    const with_ = { ...bundle, offers: from.bundle.offers, receipts: from.bundle.receipts };
    expect((await verifyWithout([], with_)).code).toBe('OFFER_REQUEST_MISMATCH');
    const none = await makeProject({ bundle: (valid) => ({ ...valid, offers: [], receipts: [] }) });
    expect((await verifyWithout([], none.bundle)).code).toBe('OFFER_MISSING');
  });

  it('with another verdict of its own request', async () => {
    const from = await makeProject();
    const facts: AnswerRecipe['facts'] = (valid) => ({ ...valid, request: from.request.id });
    const { bundle } = await makeAnswer({
      from,
      facts,
      bundle: (valid) => ({ ...valid, request: from.bundle.request, publisher: from.bundle.publisher }),
      request: () => from.request.payload,
    });
    expect((await verifyWithout([], bundle)).code).toBe('EARLIER_OWN_REQUEST');
    expect(await verifyWithout(['EARLIER_OWN_REQUEST'], bundle)).toMatchObject({
      ok: true,
      level: 'trusted',
    });
  });

  it('and has it co-signed by a key that the charter does not name', async () => {
    await holdsOff('COSIGN_NOT_TRUSTED_KEY', { cosigner: testKey('another trusted worker') });
  });
});

describe('where an answer stands in the log', () => {
  const placeIn = async (bundle: Bundle, over = {}) => {
    const { ok, level, facts } = await verifyWithout([], bundle, over);
    return [ok, level, facts?.place];
  };

  it('is the word of the controller where nobody else signed it, and of the trusted worker where that did', async () => {
    const from = await makeProject();
    expect(await placeIn(from.bundle)).toEqual([true, 'trusted', 'cosigned']);
    expect(await placeIn(await answer({}))).toEqual([true, 'trusted', 'controller']);
    const signed = await answer({ cosigner: trusted });
    expect(await placeIn(signed)).toEqual([true, 'trusted', 'cosigned']);
    // The line of the trusted worker alone, which it gives to every checkpoint, does not say that it looked at the answer.
    const { verdict } = await answer({});
    expect(await placeIn({ ...signed, verdict })).toEqual([true, 'trusted', 'controller']);
    // Nor its signature alone, where the answer stands.
    const { checkpoint } = await answer({});
    expect(await placeIn({ ...signed, checkpoint })).toEqual([true, 'trusted', 'controller']);
  });

  it('is the word of the controller where the trusted worker signed the log before the answer was made, or was revoked', async () => {
    const early = await answer({ cosigner: trusted, witnessedAt: at + 2000 });
    expect(await placeIn(early)).toEqual([true, 'trusted', 'controller']);
    const signed = await answer({ cosigner: trusted });
    const index = Number(signed.entries[0]?.index);
    const revocations = [keyRevoked(trusted.id, index)];
    expect(await placeIn(signed, { revocations })).toEqual([true, 'trusted', 'controller']);
  });

  it('is what witnesses signed where no co-signature is asked for: as many as it needs, under the answer itself', async () => {
    const request = under(open);
    const none = await answer({ request }, uncosigned);
    expect(await placeIn(none)).toEqual([true, 'trusted', 'controller']);
    const few = await answer({ request, witnesses: ['ada'] }, uncosigned);
    expect(await placeIn(few)).toEqual([true, 'trusted', 'controller']);
    const enough = await answer({ request, witnesses: ['ada', 'bob'] }, uncosigned);
    expect(await placeIn(enough)).toEqual([true, 'trusted', 'witnessed']);
    const early = await answer({ request, witnesses: ['ada', 'bob'], witnessedAt: at + 2000 }, uncosigned);
    expect(await placeIn(early)).toEqual([true, 'trusted', 'controller']);
    const named: AnswerRecipe['charter'] = (valid) => ({
      ...valid,
      epoch: 2,
      witnesses: { need: 1, keys: [namedWitness('outside')] },
    });
    const lacks = await answer(
      { request, charter: named, witnesses: ['ada', 'bob'] },
      { ...uncosigned, namedWitnesses: ['outside'] },
    );
    expect(await placeIn(lacks)).toEqual([true, 'trusted', 'controller']);
  });

  it('is its first one, for whoever has the leaves: a controller may log it again', async () => {
    const from = await makeProject();
    const { bundle, leaves } = await makeAnswer({ from });
    const [leaf = ''] = leaves.slice(-1);
    const lines = [...leaves, 'junk', leaf];
    const tree = new MerkleTree(lines);
    const moved = {
      ...bundle,
      checkpoint: await noteOf(tree),
      entries: [{ leaf, index: lines.length - 1, path: tree.inclusion(lines.length - 1) }],
    };
    const known = { log: LogView.of(lines) };
    expect((await verifyWithout([], moved, known)).code).toBe('VERDICT_LOGGED_BEFORE');
    expect((await verifyWithout(['VERDICT_LOGGED_BEFORE'], moved, known)).facts?.index).toBe(
      lines.length - 1,
    );
    expect((await verifyWithout([], bundle, known)).ok).toBe(true);
  });
});

it('a draft of an answer rests on a co-signature that is there', async () => {
  const bundle = await answer({}, { policy: open, bundle: withoutCosignature });
  expect((await verifyWithout([], bundle, {}, 'draft')).code).toBe('COSIGN_MISSING');
  expect((await verifyWithout([], await answer({}), {}, 'draft')).ok).toBe(true);
});
