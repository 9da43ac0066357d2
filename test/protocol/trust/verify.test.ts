import { beforeAll, describe, expect, it } from 'vitest';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { isoTime } from '../../../src/protocol/base/time.ts';
import { type Bundle, decodeBundle, encodeBundle } from '../../../src/protocol/documents/index.ts';
import { checkAge, LogView } from '../../../src/protocol/trust/index.ts';
import { checkEvidence, type Expected, verifyBundle } from '../../../src/protocol/trust/verify.ts';
import {
  at,
  cidOf,
  controller,
  cosign,
  exit,
  idp,
  keyRevoked,
  log,
  makeProject,
  namedWitness,
  type Project,
  policy,
  project,
  publisher,
  type Recipe,
  recipe,
  testKey,
  trusted,
  workerKey,
} from '../../support/project.ts';

const verify = (bundle: Bundle, over: Partial<Expected> = {}) =>
  verifyBundle(bundle, { project, ...over }, joseVerifier);
const mallory = testKey('mallory');
const fromOutside: Recipe = {
  charter: (charter) => ({ ...charter, recipes: 'outside' }),
  request: (request) => ({ ...request, recipe }),
};
let valid: Project;
let outside: Project;

beforeAll(async () => {
  valid = await makeProject();
  outside = await makeProject(fromOutside);
});

describe('a valid bundle', () => {
  it('is trusted, step by step, and says where the artifact comes from', async () => {
    const result = await verify(decodeBundle(encodeBundle(valid.bundle)));
    expect(result.steps.map(({ step, ok }) => [step, ok])).toEqual(
      [
        'charter',
        'request',
        'job',
        'offers',
        'receipts',
        'verdict',
        'log',
        'revocations',
        'decision',
        'co-signature',
        'expected',
      ].map((step) => [step, true]),
    );
    expect(result).toMatchObject({ ok: true, level: 'trusted', code: null });
    expect(result.facts).toMatchObject({
      repo: 'https://git.example/app.git',
      ref: 'refs/heads/main',
      artifact: cidOf('good'),
      operators: ['ada', 'bob', 'cyd'],
      dissent: [],
      cosigners: [trusted.id],
      inputs: {},
    });
    expect(result.facts?.files.map(({ path }) => path)).toEqual(['app']);
  });

  it('is trusted in spite of a dissenter, whom it names', async () => {
    const runs = [{ operator: 'ada' }, { operator: 'eve', builds: 'evil' }, { operator: 'cyd' }];
    const { bundle } = await makeProject({ runs });
    const result = await verify(bundle);
    expect(result).toMatchObject({ ok: true, level: 'trusted' });
    expect(result.facts).toMatchObject({ operators: ['ada', 'cyd'], dissent: [{ operator: 'eve' }] });
  });

  it('is agreed while the trusted worker is silent', async () => {
    const { bundle } = await makeProject({ own: null, level: 'agreed' });
    expect(await verify(bundle)).toMatchObject({ ok: true, level: 'agreed' });
  });

  it.each(['good', 'other'])(
    'is agreed in spite of a trusted worker that the charter names no more: it built %s',
    async (builds) => {
      const { bundle } = await makeProject({
        charter: (c) => ({ ...c, trusted: [mallory.id] }),
        own: { operator: 'owner', builds },
        level: 'agreed',
        outcome: exit('good'),
      });
      expect(await verify(bundle)).toMatchObject({ ok: true, level: 'agreed' });
    },
  );

  it('is trusted without a co-signature where the policy and the floor allow it', async () => {
    const { bundle } = await makeProject({ own: null, policy: { ...policy, cosign: 'none' } });
    expect(await verify(bundle)).toMatchObject({
      ok: true,
      level: 'trusted',
      facts: {
        cosigners: [],
        witnesses: { operators: ['ada', 'bob', 'cyd'], named: [] },
        witnessed: isoTime((at + 1010) * 1000),
      },
    });
  });

  it('reports a failure and a dispute as such', async () => {
    const failing = ['ada', 'bob'].map((operator) => ({ operator, outcome: exit(null, 1) }));
    const failed = await makeProject({ runs: failing, own: { operator: 'owner', outcome: exit(null, 2) } });
    expect(await verify(failed.bundle)).toMatchObject({ ok: true, level: 'failed' });
    const runs = [
      { operator: 'ada', builds: 'a' },
      { operator: 'bob', builds: 'b' },
    ];
    for (const recipe of [{ runs }, { runs: runs.slice(0, 1) }, { runs, level: 'disputed' as const }]) {
      const { bundle } = await makeProject({ ...recipe, own: null });
      expect(await verify(bundle)).toMatchObject({ ok: true, level: 'none' });
    }
    // As verdicts said of runs that nobody built something else in.
    const before = await makeProject({ runs: runs.slice(0, 1), own: null, level: 'disputed' });
    expect(await verify(before.bundle)).toMatchObject({ ok: true, level: 'none' });
  });

  it('is trusted by a later round after a contradiction, and shows both', async () => {
    const runs = [
      { operator: 'ada', builds: 'evil' },
      { operator: 'bob', builds: 'evil' },
      { operator: 'cyd', round: 2 },
      { operator: 'dan', round: 2 },
    ];
    const { bundle } = await makeProject({ runs });
    const result = await verify(bundle);
    expect(result).toMatchObject({ ok: true, level: 'trusted', facts: { artifact: cidOf('good') } });
    expect(result.facts?.operators).toEqual(['cyd', 'dan']);
    expect(result.facts?.dissent.map(({ operator }) => operator)).toEqual(['ada', 'bob']);
  });
});

describe('witnesses, where no co-signature is required', () => {
  const open: Recipe = { own: null, policy: { ...policy, cosign: 'none' } };
  const names = ['w.example', 'v.example'];
  const named = (need: number): Recipe => ({
    ...open,
    charter: (charter) => ({ ...charter, witnesses: { need, keys: names.map(namedWitness) } }),
  });
  const by = (...operators: string[]) => operators.map((operator) => ({ operator }));

  it.each<[string, Recipe, Partial<Expected>, string | null]>([
    ['as many operators as agree', { ...open, witnesses: by('ada', 'cyd') }, {}, null],
    ['one fewer', { ...open, witnesses: by('ada') }, {}, 'WITNESS_OPERATORS_MISSING'],
    [
      'operators without a receipt, whose grants are there',
      { ...open, witnesses: by('fay', 'gus') },
      {},
      null,
    ],
    [
      'operators whose grants are not there',
      { ...open, witnesses: by('fay', 'gus'), bundle: ({ witnesses: _, ...bundle }) => bundle },
      {},
      'WITNESS_OPERATORS_MISSING',
    ],
    [
      'a publisher of the project',
      {
        ...open,
        witnesses: by('ada', 'fay'),
        bundle: (bundle) => ({ ...bundle, witnesses: [bundle.publisher] }),
      },
      {},
      'WITNESS_OPERATORS_MISSING',
    ],
    ['one minute before the verdict: clocks differ', { ...open, witnessedAt: at + 940 }, {}, null],
    ['earlier than that', { ...open, witnessedAt: at + 939 }, {}, 'WITNESS_OPERATORS_MISSING'],
    [
      'one whose key was revoked before the checkpoint',
      { ...open, witnesses: by('ada', 'bob') },
      { revocations: [keyRevoked(workerKey('bob').id, 8)] },
      'WITNESS_OPERATORS_MISSING',
    ],
    [
      'one that was revoked later',
      { ...open, witnesses: by('ada', 'bob') },
      { revocations: [keyRevoked(workerKey('bob').id, 9)] },
      null,
    ],
    [
      'one whose operator was revoked',
      { ...open, witnesses: by('ada', 'bob') },
      { revocations: [{ ...keyRevoked('bob', 8), what: { kind: 'operator', id: 'bob' } }] },
      'WITNESS_OPERATORS_MISSING',
    ],
    ['one of two that the charter names', { ...named(1), namedWitnesses: ['v.example'] }, {}, null],
    [
      'one where it asks for two',
      { ...named(2), namedWitnesses: ['v.example'] },
      {},
      'CHARTER_WITNESS_MISSING',
    ],
    [
      'both of them, and no worker',
      { ...named(2), namedWitnesses: names, witnesses: [] },
      {},
      'WITNESS_OPERATORS_MISSING',
    ],
    [
      'both of them, before the verdict',
      { ...named(1), namedWitnesses: names, namedWitnessedAt: at + 939 },
      {},
      'CHARTER_WITNESS_MISSING',
    ],
    [
      'one operator, and the trusted worker that built it too',
      { policy: { ...policy, cosign: 'none' }, witnesses: by('ada') },
      {},
      'WITNESS_OPERATORS_MISSING',
    ],
  ])('%s', async (_what, recipe, over, code) => {
    const { bundle } = await makeProject(recipe);
    const result = await verify(bundle, over);
    expect({ code: result.code, level: result.level }).toEqual({
      code,
      level: code === null ? 'trusted' : 'none',
    });
  });

  it('are named among the facts, and are not asked for less than trust', async () => {
    const { bundle } = await makeProject({
      ...named(1),
      namedWitnesses: ['v.example'],
      witnesses: by('ada', 'fay'),
    });
    expect((await verify(bundle)).facts?.witnesses).toEqual({
      operators: ['ada', 'fay'],
      named: ['v.example'],
    });
    const agreed = await makeProject({ ...named(1), level: 'agreed' });
    expect(await verify(agreed.bundle)).toMatchObject({ ok: true, level: 'agreed' });
    const cosigned = await makeProject({ charter: named(1).charter ?? ((same) => same) });
    expect(await verify(cosigned.bundle)).toMatchObject({ ok: true, level: 'trusted' });
  });

  it('say how old the evidence is', async () => {
    const { bundle } = await makeProject({ ...open, witnessedAt: at + 950 });
    const result = await verify(bundle);
    const now = (at + 1050) * 1000;
    expect(checkAge(result, { now, maxAgeSeconds: 100 }).ok).toBe(true);
    expect(checkAge(result, { now, maxAgeSeconds: 99 }).code).toBe('VERDICT_TOO_OLD');
  });
});

describe('the expectation of a caller', () => {
  it.each([
    ['artifact', { artifact: cidOf('good') }, null],
    ['another artifact', { artifact: cidOf('evil') }, 'ARTIFACT_MISMATCH'],
    ['source', { source: 'https://git.example/app.git' }, null],
    ['another source', { source: 'https://git.example/other.git' }, 'SOURCE_MISMATCH'],
    ['ref', { ref: 'refs/heads/main' }, null],
    ['ref in short', { ref: 'main' }, null],
    ['another ref', { ref: 'v2' }, 'REF_MISMATCH'],
    ['another project', { project: mallory.id }, 'CHARTER_PROJECT_MISMATCH'],
  ])('%s', async (_name, over, code) => {
    const result = await verify(valid.bundle, over);
    expect(result.code).toBe(code);
    expect(result.level).toBe(code === null ? 'trusted' : 'none');
  });

  const { repo, commit, path } = recipe;
  const source = 'https://git.example/app.git';
  it.each<[string, Partial<Expected>, string | null]>([
    ['nothing', {}, null],
    ['the source', { source }, 'RECIPE_MISMATCH'],
    ['the ref', { ref: 'main' }, 'RECIPE_MISMATCH'],
    ['the source and the job file', { source, recipe: { repo, path } }, null],
    ['the job file at its commit', { recipe: { repo, commit, path } }, null],
    ['the job file at another commit', { recipe: { repo, commit: 'e'.repeat(40), path } }, 'RECIPE_MISMATCH'],
    ['another job file', { recipe: { repo, path: 'other.yaml' } }, 'RECIPE_MISMATCH'],
    ['a job file of another repository', { recipe: { repo: source, path } }, 'RECIPE_MISMATCH'],
  ])('of an artifact with a job file from outside: %s', async (_name, over, code) => {
    const result = await verify(outside.bundle, over);
    expect(result.code).toBe(code);
    if (code === null) expect(result.facts?.recipe).toEqual(recipe);
    else expect(result.steps.at(-1)?.says).toContain(`${repo}@${commit}:${path}`);
  });

  it('a job file from outside, of an artifact that has none', async () => {
    expect((await verify(valid.bundle)).facts?.recipe).toBeNull();
    expect((await verify(valid.bundle, { recipe: { repo, path } })).code).toBe('RECIPE_MISMATCH');
  });
});

describe('inputs', () => {
  const open = { ...policy, cosign: 'none' as const };
  const lib: Recipe = {
    job: { name: 'lib' },
    runs: ['ada', 'bob', 'cyd'].map((operator) => ({ operator, builds: 'lib' })),
    own: { operator: 'trusted', builds: 'lib' },
  };
  const agreedLib: Recipe = { ...lib, own: null, level: 'agreed' };

  it('are worth what their own evidence says, each verified once', async () => {
    const from = await makeProject(lib);
    const middle = await makeProject({ job: { name: 'middle' }, reads: { lib: { from } } });
    const { bundle, draft } = await makeProject({ reads: { lib: { from }, middle: { from: middle } } });
    expect(bundle.inputs).toHaveLength(2);
    const result = await verify(bundle);
    expect(result).toMatchObject({
      ok: true,
      level: 'trusted',
      facts: {
        inputs: {
          lib: { artifact: from.artifact, level: 'trusted' },
          middle: { artifact: middle.artifact, level: 'trusted' },
        },
      },
    });
    expect(result.steps.map(({ step }) => step).slice(0, 5)).toEqual([
      'charter',
      'request',
      'job',
      'inputs',
      'offers',
    ]);
    expect(await checkEvidence(draft, { project }, joseVerifier)).toMatchObject({
      ok: true,
      level: 'trusted',
    });
  });

  it('hold the level of a job down, however good its own evidence is', async () => {
    const from = await makeProject(agreedLib);
    expect((await verify(from.bundle)).level).toBe('agreed');
    const reads = { lib: { from, level: 'agreed' as const } };
    const low = await makeProject({ reads, level: 'agreed', own: null, policy: open });
    expect(await verify(low.bundle)).toMatchObject({ ok: true, level: 'agreed' });
    const high = await makeProject({ reads });
    expect(await verify(high.bundle)).toMatchObject({ ok: false, code: 'INPUTS_NOT_TRUSTED' });
    expect(await checkEvidence(high.draft, { project }, joseVerifier)).toMatchObject({
      code: 'INPUTS_NOT_TRUSTED',
    });
  });

  it.each<[string, string, (from: Project) => Recipe]>([
    ['INPUT_EVIDENCE_MISSING', 'is left out', () => ({ bundle: ({ inputs: _, ...rest }) => rest })],
    [
      'INPUT_ARTIFACT_MISMATCH',
      'is of another artifact than was filled in',
      (from) => ({
        reads: { lib: { from, artifact: cidOf('evil') } },
      }),
    ],
    [
      'INPUT_EVIDENCE_TWICE',
      'is there twice',
      () => ({
        bundle: (valid) => ({ ...valid, inputs: [...(valid.inputs ?? []), ...(valid.inputs ?? [])] }),
      }),
    ],
    [
      'JOB_INPUTS_MISMATCH',
      'is of an input that the request does not need',
      () => ({
        request: ({ needs: _, ...rest }) => rest,
      }),
    ],
    [
      'INPUT_SOURCE_MISMATCH',
      'is of another commit',
      () => ({
        job: {
          source: { url: 'https://git.example/app.git', commit: 'e'.repeat(40), tree: cidOf('source') },
        },
        request: (valid) => ({ ...valid, commit: 'e'.repeat(40) }),
      }),
    ],
  ])('%s where the evidence of one %s', async (code, _, recipe) => {
    const from = await makeProject(lib);
    const { bundle } = await makeProject({ reads: { lib: { from } }, ...recipe(from) });
    expect(await verify(bundle)).toMatchObject({ ok: false, level: 'none', code });
  });

  it('ARTIFACT_OF_TEST where the reports of a test are read, however trusted it is', async () => {
    const from = await makeProject({ ...lib, job: { name: 'test', kind: 'test' } });
    expect((await verify(from.bundle)).level).toBe('trusted');
    const { bundle } = await makeProject({ reads: { test: { from } } });
    expect(await verify(bundle)).toMatchObject({ ok: false, code: 'ARTIFACT_OF_TEST' });
    const gate = await makeProject({ reads: { test: { from, gate: true } } });
    expect(await verify(gate.bundle)).toMatchObject({
      ok: true,
      level: 'trusted',
      facts: { inputs: { test: { artifact: null, level: 'trusted' } } },
    });
    const method = await makeProject({ reads: { constructor: { from, gate: true as const } } });
    expect((await verify(method.bundle)).facts?.inputs).toEqual({
      constructor: { artifact: null, level: 'trusted' },
    });
  });

  it('INPUT_BELOW_LEVEL where a job began before its input had the level that was asked for', async () => {
    const from = await makeProject(agreedLib);
    const { bundle } = await makeProject({ reads: { lib: { from } }, level: 'agreed' });
    expect(await verify(bundle)).toMatchObject({ ok: false, code: 'INPUT_BELOW_LEVEL' });
  });

  it('INPUT_EVIDENCE_MISSING where a laxer job made the same artifact, of another request', async () => {
    const from = await makeProject(lib);
    const laxer = await makeProject({ ...lib, job: { name: 'laxer' }, own: null, policy: open });
    expect(laxer.artifact).toBe(from.artifact);
    const { bundle } = await makeProject({
      reads: { lib: { from } },
      bundle: (valid) => ({ ...valid, inputs: [laxer.bundle] }),
    });
    expect(await verify(bundle)).toMatchObject({ ok: false, code: 'INPUT_EVIDENCE_MISSING' });
  });

  it('INPUT_NOT_VERIFIED where the evidence of one does not hold, or was revoked since', async () => {
    const from = await makeProject(lib);
    const { bundle } = await makeProject({ reads: { lib: { from } } });
    const worse = { ...bundle, inputs: [{ ...(bundle.inputs?.[0] ?? bundle), entries: bundle.entries }] };
    expect(await verify(worse)).toMatchObject({ ok: false, code: 'INPUT_NOT_VERIFIED' });
    const what = { kind: 'job' as const, id: from.jobId };
    const revocations = [{ what, since: 0, reason: 'bad', byRoot: true }];
    const result = await verify(bundle, { revocations });
    expect(result).toMatchObject({ ok: false, code: 'INPUT_NOT_VERIFIED' });
    expect(result.steps.at(-1)?.says).toContain('bad');
  });
});

describe('a draft', () => {
  const check = (draft: Bundle, over: Partial<Expected> = {}) =>
    checkEvidence(draft, { project, ...over }, joseVerifier);

  it('is checked like a bundle, but for the signatures yet to come', async () => {
    const result = await check(valid.draft, { log: LogView.of(valid.leaves) });
    expect(result).toMatchObject({ ok: true, level: 'trusted' });
    expect(result.steps.map(({ step }) => step)).not.toContain('co-signature');
    expect(await verify(valid.draft)).toMatchObject({ ok: false, code: 'COSIGN_MISSING' });
    expect(await verify(await cosign(valid.draft, trusted))).toMatchObject({ ok: true, level: 'trusted' });
  });

  it('is refused when the log holds a receipt it leaves out', async () => {
    const runs = [{ operator: 'ada' }, { operator: 'bob' }, { operator: 'eve', builds: 'evil' }];
    const whole = await makeProject({ runs });
    const dropped = await makeProject({
      runs: runs.slice(0, 2),
      log: (leaves) => [
        ...leaves,
        `receipt ${'0'.repeat(64)} ${leaves.find((l) => l.startsWith('offer'))?.replace(/ job .*/, '')}`,
      ],
    });
    expect(await check(whole.draft, { log: LogView.of(whole.leaves) })).toMatchObject({ ok: true });
    expect(await check(dropped.draft, { log: LogView.of(dropped.leaves) })).toMatchObject({
      code: 'RECEIPT_DROPPED',
    });
    expect(await check(whole.draft, { log: LogView.of(whole.leaves.slice(1)) })).toMatchObject({
      code: 'LOG_LEAVES_MISMATCH',
    });
  });

  it('is refused when an operator was not enrolled where its grant says', async () => {
    const early = await makeProject({ grant: (g) => (g.operator === 'ada' ? { ...g, enrolled: 0 } : g) });
    expect(await check(early.draft, { log: LogView.of(early.leaves) })).toMatchObject({
      code: 'ENROLMENT_NOT_LOGGED',
    });
  });
});

describe('a sealed round', () => {
  const runs = [{ operator: 'ada' }, { operator: 'bob' }, { operator: 'cyd', builds: 'other', round: 2 }];

  it('takes no receipt that is in the log after the next offer', async () => {
    const offers = await makeProject({ runs });
    const late = offers.leaves.length - 1;
    const { bundle } = await makeProject({
      runs,
      verdictFacts: (f) => ({
        ...f,
        receipts: f.receipts.map((r) => (r.operator === 'bob' ? { ...r, index: late } : r)),
      }),
      log: (leaves) => {
        const bob = leaves.findIndex((leaf) => leaf.startsWith('receipt')) + 1;
        const moved = leaves.map((leaf, i) => (i === bob ? 'nothing' : leaf));
        return [...moved.slice(0, -1), leaves[bob] ?? '', ...moved.slice(-1)];
      },
    });
    expect(await verify(offers.bundle)).toMatchObject({ ok: true, level: 'trusted' });
    expect(await verify(bundle)).toMatchObject({ code: 'VERDICT_UNSUPPORTED_BY_EVIDENCE' });
  });
});

describe('revocations', () => {
  const from = (key: string, index: number, byRoot = true) => ({
    revocations: [keyRevoked(key, index, byRoot)],
  });
  const of = (kind: 'operator' | 'job' | 'image' | 'artifact', id: string, since = 0) => ({
    revocations: [{ what: { kind, id }, since, reason: 'it phones home', byRoot: false }],
  });
  const last = () => valid.leaves.length - 1;

  it('of a worker: its receipts from there on do not count', async () => {
    const { bundle, votes } = await makeProject({ runs: [{ operator: 'ada' }, { operator: 'bob' }] });
    const bob = votes.find(({ operator }) => operator === 'bob')?.index ?? 0;
    expect(await verify(bundle, from(workerKey('bob').id, bob + 1))).toMatchObject({ level: 'trusted' });
    expect(await verify(bundle, from(workerKey('bob').id, bob))).toMatchObject({ code: 'EVIDENCE_REVOKED' });
    expect(await verify(valid.bundle, from(workerKey('bob').id, 0))).toMatchObject({ level: 'trusted' });
  });

  it('of an operator: receipts of all its workers from there on do not count', async () => {
    const { bundle, votes } = await makeProject({ runs: [{ operator: 'ada' }, { operator: 'bob' }] });
    const bob = votes.find(({ operator }) => operator === 'bob')?.index ?? 0;
    expect(await verify(bundle, of('operator', 'bob', bob + 1))).toMatchObject({ level: 'trusted' });
    const result = await verify(bundle, of('operator', 'bob', bob));
    expect(result).toMatchObject({ code: 'EVIDENCE_REVOKED', level: 'none' });
    expect(result.steps.at(-1)?.says).toContain(
      `the operator bob was revoked from leaf ${bob} of the log on`,
    );
    expect(result.steps.at(-1)?.says).toContain('it phones home');
  });

  it('of the operator of the trusted worker: its key is revoked by itself, and by the root only', async () => {
    expect(await verify(valid.bundle, from(trusted.id, 0, false))).toMatchObject({ level: 'trusted' });
    const own: Project = await makeProject({ own: { operator: 'keeper', slot: 'trusted', builds: 'good' } });
    expect(await verify(own.bundle, of('operator', 'keeper'))).toMatchObject({ level: 'trusted' });
  });

  it('of a key that the charter names: by the root only', async () => {
    expect(await verify(valid.bundle, from(controller.id, 0, false))).toMatchObject({ level: 'trusted' });
    expect(await verify(valid.bundle, from(idp.id, 0, false))).toMatchObject({ level: 'trusted' });
    expect(await verify(valid.bundle, from(log.id, 0, false))).toMatchObject({ level: 'trusted' });
  });

  it('of the controller, the log, the identity provider, the publisher, the trusted worker', async () => {
    for (const { id } of [controller, log, idp, publisher])
      expect(await verify(valid.bundle, from(id, 0))).toMatchObject({ code: 'KEY_REVOKED' });
    for (const { id } of [controller, log]) {
      expect(await verify(valid.bundle, from(id, last()))).toMatchObject({ code: 'KEY_REVOKED' });
      expect(await verify(valid.bundle, from(id, last() + 1))).toMatchObject({ level: 'trusted' });
    }
    expect(await verify(valid.bundle, from(trusted.id, 0))).toMatchObject({ code: 'EVIDENCE_REVOKED' });
    expect(await verify(valid.bundle, from(trusted.id, last()))).toMatchObject({ code: 'KEY_REVOKED' });
  });

  it('of the identity provider, after the offer: receipts under its grants from there on do not count', async () => {
    const [first] = valid.votes;
    const result = await verify(valid.bundle, from(idp.id, first?.index ?? 0));
    expect(result).toMatchObject({ code: 'EVIDENCE_REVOKED' });
  });

  it('of the job, the image, the artifact, the operator that asked: says which, from when and why', async () => {
    const cases = [
      ['job', valid.jobId, 'JOB_REVOKED'],
      ['image', cidOf('image'), 'IMAGE_REVOKED'],
      ['artifact', cidOf('good'), 'ARTIFACT_REVOKED'],
      ['operator', 'owner', 'OPERATOR_REVOKED'],
    ] as const;
    for (const [kind, id, code] of cases) {
      const result = await verify(valid.bundle, of(kind, id));
      expect(result).toMatchObject({ ok: false, level: 'none', code });
      expect(result.steps.at(-1)).toMatchObject({ step: 'revocations', ok: false });
      const says = `the ${kind} ${id} was revoked from leaf 0 of the log on, by the identity provider: it phones home`;
      expect(result.steps.at(-1)?.says).toContain(says);
      expect(await verify(valid.bundle, of(kind, id, last() + 1))).toMatchObject({ level: 'trusted' });
    }
  });

  it('of something else change nothing', async () => {
    for (const id of ['constructor', '__proto__x', 'dora'])
      expect(await verify(valid.bundle, of('operator', id))).toMatchObject({ level: 'trusted' });
    expect(await verify(valid.bundle, of('job', cidOf('good')))).toMatchObject({ level: 'trusted' });
  });
});

describe('file hashes', () => {
  const lie: Recipe['receipt'] = (receipt, run) =>
    run.operator === 'ada'
      ? {
          ...receipt,
          subject: [...receipt.subject.slice(0, 1), { name: 'app', digest: { sha256: '0'.repeat(64) } }],
        }
      : receipt;

  it('of one operator that lies about them spoil nothing', async () => {
    const { bundle } = await makeProject({ receipt: lie });
    expect(await verify(bundle)).toMatchObject({ ok: true, level: 'trusted' });
  });

  it('are never those of the liar', async () => {
    const { bundle } = await makeProject({
      receipt: lie,
      verdict: (v) => ({
        ...v,
        subject: [...v.subject.slice(0, 1), { name: 'app', digest: { sha256: '0'.repeat(64) } }],
      }),
    });
    expect(await verify(bundle)).toMatchObject({ code: 'VERDICT_UNSUPPORTED_BY_EVIDENCE' });
  });
});
