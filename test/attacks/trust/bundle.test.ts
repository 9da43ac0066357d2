import { describe, expect, it } from 'vitest';
import type { ResolvedDependencies } from '../../../src/protocol/documents/index.ts';
import { LogView } from '../../../src/protocol/trust/index.ts';
import {
  cidOf,
  controller,
  exit,
  keyRevoked,
  makeJob,
  makeProject,
  policy,
  publisher,
  type Recipe,
  testKey,
  trusted,
  workerKey,
} from '../../support/project.ts';
import { verifyWithout } from './attack.ts';

const mallory = testKey('mallory');
const open = { ...policy, cosign: 'none' } as const;

/** The attack is refused with the guard's code, and succeeds with the guard off. */
async function holdsOff(code: string, recipe: Recipe, also: readonly string[] = []) {
  const { bundle } = await makeProject(recipe);
  expect((await verifyWithout([], bundle)).code).toBe(code);
  expect(await verifyWithout([code, ...also], bundle)).toMatchObject({ ok: true, level: 'trusted' });
}

describe('evil source or a weakened policy, from a stolen controller key', () => {
  it('cannot order anything: the publisher signs the request', async () => {
    await holdsOff('GRANT_ROLE_MISMATCH', {
      keys: { publisher: controller },
      publisherGrant: (g) => ({ ...g, role: 'reader' }),
    });
    await holdsOff('GRANT_KEY_MISMATCH', {
      publisherGrant: (g) => ({ ...g, sub: mallory.id }),
      keys: { publisher: controller },
    });
  });
  it('cannot build another commit than the request names', () =>
    holdsOff('REQUEST_SOURCE_MISMATCH', {
      job: { source: { url: 'https://git.example/app.git', commit: 'e'.repeat(40), tree: cidOf('evil') } },
    }));
  it('cannot run the round under a policy of its own', () =>
    holdsOff('OFFER_POLICY_MISMATCH', { offer: (o) => ({ ...o, policy: { ...o.policy, cosign: 'none' } }) }));
  it('cannot claim the request asked for less', () =>
    holdsOff('VERDICT_REQUEST_MISMATCH', { verdictFacts: (f) => ({ ...f, ref: 'refs/tags/v2' }) }));
  it('and a stolen publisher key cannot go below the floor', () =>
    holdsOff('POLICY_BELOW_FLOOR', {
      own: null,
      policy: { agree: 1, of: 1, cosign: 'none', rounds: 1 },
      runs: [{ operator: 'mallory', builds: 'evil' }],
    }));
  it('nor take its source from a server the charter does not name', () =>
    holdsOff('SOURCE_HOST_NOT_ALLOWED', { charter: (c) => ({ ...c, vcs: ['other.example'] }) }));
});

describe('a request that is replayed', () => {
  const second = testKey('second controller');
  const both: Recipe = { charter: (c) => ({ ...c, controllers: [...c.controllers, second.id] }) };
  it('to another project', () =>
    holdsOff('REQUEST_PROJECT_MISMATCH', { request: (r) => ({ ...r, project: mallory.id }) }, [
      'VERDICT_REQUEST_MISMATCH',
    ]));
  it('to another controller of the project: it names the one that may act on it', async () => {
    await holdsOff('REQUEST_AUDIENCE_MISMATCH', { ...both, request: (r) => ({ ...r, aud: second.id }) }, [
      'VERDICT_ISSUER_MISMATCH',
    ]);
    const asked = await makeProject({ ...both, request: (r) => ({ ...r, aud: second.id }) });
    expect((await verifyWithout(['REQUEST_AUDIENCE_MISMATCH'], asked.bundle)).code).toBe(
      'VERDICT_ISSUER_MISMATCH',
    );
  });
  it('to a controller that the charter does not name', () =>
    holdsOff('REQUEST_AUDIENCE_MISMATCH', { request: (r) => ({ ...r, aud: mallory.id }) }, [
      'VERDICT_ISSUER_MISMATCH',
    ]));
  it('with leases of another controller than made its offer', () =>
    holdsOff('LEASE_ISSUER_MISMATCH', { ...both, keys: { leases: second } }));
});

describe('one key that is trusted worker and controller, identity provider or log', () => {
  it.each([
    ['controller', (key: string) => ({ controllers: [key] })],
    ['identity provider', (key: string) => ({ idps: [key] })],
    ['log', (key: string) => ({ log: key })],
  ])('is refused in a charter: %s', async (_what, over) => {
    await expect(makeProject({ charter: (c) => ({ ...c, ...over(trusted.id) }) })).rejects.toMatchObject({
      code: 'DOC_INVALID',
    });
  });
});

describe('the same, with the identity provider’s key: a publisher that was made up', () => {
  const made: Recipe = { keys: { publisher: mallory } };
  it('stays above the floor that the root signed', () =>
    holdsOff('POLICY_BELOW_FLOOR', {
      ...made,
      own: null,
      policy: { agree: 1, of: 1, cosign: 'none', rounds: 1 },
      runs: [{ operator: 'mallory', builds: 'evil' }],
    }));
  it('and at the servers that the root signed', async () => {
    const url = 'https://evil.example/app.git';
    const { source } = makeJob();
    const evil: Recipe = {
      ...made,
      job: { source: { ...source, url } },
      request: (request) => ({ ...request, repo: url }),
    };
    await holdsOff('SOURCE_HOST_NOT_ALLOWED', evil);
  });
  it('has any commit built there: a consumer that names repository and ref refuses only what is of others', async () => {
    const commit = 'e'.repeat(40);
    const { source } = makeJob();
    const { bundle } = await makeProject({
      ...made,
      job: { source: { ...source, commit } },
      request: (request) => ({ ...request, commit, ref: 'refs/heads/evil' }),
    });
    expect(await verifyWithout([], bundle)).toMatchObject({ ok: true, level: 'trusted', facts: { commit } });
    const asked = { ref: 'main', source: source.url };
    expect((await verifyWithout([], bundle, asked)).code).toBe('REF_MISMATCH');
    expect(await verifyWithout(['REF_MISMATCH'], bundle, asked)).toMatchObject({ ok: true });
  });
});

describe('a controller that invents', () => {
  it('a verdict its receipts do not bear out', async () => {
    const { bundle } = await makeProject({ outcome: exit('evil'), level: 'trusted' });
    expect((await verifyWithout([], bundle)).code).toBe('VERDICT_UNSUPPORTED_BY_EVIDENCE');
    // The control: nothing else looks at what the receipts say, but for the trusted worker's own.
    const control = await verifyWithout(['VERDICT_UNSUPPORTED_BY_EVIDENCE', 'COSIGN_NOT_BUILT'], bundle);
    expect(control).toMatchObject({ ok: true, facts: { artifact: cidOf('evil') } });
  });
  it('operators agree as it likes, but not the co-signature', async () => {
    const runs = ['m1', 'm2', 'm3'].map((operator) => ({ operator, builds: 'evil' }));
    const { bundle } = await makeProject({ runs, own: null, level: 'agreed' });
    expect(await verifyWithout([], bundle)).toMatchObject({ ok: true, level: 'agreed' });
    const claims = await makeProject({ runs, own: null, level: 'trusted', outcome: exit('evil') });
    expect((await verifyWithout([], claims.bundle)).code).toBe('VERDICT_UNSUPPORTED_BY_EVIDENCE');
    const without = ['co-signature', 'COSIGN_MISSING', 'WITNESS_MISSING'];
    expect(await verifyWithout(without, claims.bundle)).toMatchObject({
      ok: true,
      level: 'trusted',
      facts: { artifact: cidOf('evil') },
    });
  });
  it("the trusted worker's receipt, with another key", async () => {
    await holdsOff(
      'RECEIPT_SIGNER_MISMATCH',
      { receiptKey: (run) => (run.slot === 'trusted' ? mallory : undefined) },
      ['RECEIPT_MISMATCH'],
    );
  });
  it('file hashes that nobody built', () =>
    holdsOff('VERDICT_SUBJECTS_MISMATCH', {
      verdict: (v) => ({
        ...v,
        subject: [...v.subject.slice(0, 1), { name: 'app', digest: { sha256: '0'.repeat(64) } }],
      }),
    }));
  it('receipts that name other dependencies than the job', async () => {
    const job = { dependencies: { locks: ['package-lock.json'], tree: cidOf('dependencies') } };
    const naming = (change: (all: ResolvedDependencies) => ResolvedDependencies): Recipe => ({
      job,
      receipt: ({ predicate, ...receipt }) => {
        const { buildDefinition } = predicate;
        const resolvedDependencies = change(buildDefinition.resolvedDependencies);
        return {
          ...receipt,
          predicate: { ...predicate, buildDefinition: { ...buildDefinition, resolvedDependencies } },
        };
      },
    });
    const harmless = {
      name: 'dependencies',
      uri: `ipfs://${cidOf('x')}`,
      digest: { sha256: 'a'.repeat(64) },
    };
    await holdsOff(
      'RECEIPT_MISMATCH',
      naming(([source]) => [source]),
    );
    await holdsOff(
      'RECEIPT_MISMATCH',
      naming(([source, image]) => [source, image ?? harmless, harmless]),
    );
    const { bundle } = await makeProject({ job });
    expect(await verifyWithout([], bundle)).toMatchObject({ ok: true, level: 'trusted' });
  });
  it('agreement out of dissent', () =>
    holdsOff('VERDICT_RECEIPTS_MISMATCH', {
      runs: [{ operator: 'ada' }, { operator: 'bob' }, { operator: 'eve', builds: 'evil' }],
      verdictFacts: (f) => ({ ...f, receipts: f.receipts.slice(0, 2) }),
    }));
});

describe('a good but old artifact is passed off as new', () => {
  it('verify names the commit, and the ref asked for must match', async () => {
    const { bundle } = await makeProject();
    expect(await verifyWithout([], bundle, { ref: 'refs/tags/v2' })).toMatchObject({
      ok: false,
      code: 'REF_MISMATCH',
    });
    expect(await verifyWithout([], bundle, { source: 'https://git.example/fork.git' })).toMatchObject({
      code: 'SOURCE_MISMATCH',
    });
    expect(await verifyWithout([], bundle, { artifact: cidOf('other') })).toMatchObject({
      code: 'ARTIFACT_MISMATCH',
    });
    for (const asked of [{ ref: 'refs/tags/v2' }, { source: 'x' }, { artifact: cidOf('other') }]) {
      const control = await verifyWithout(
        ['REF_MISMATCH', 'SOURCE_MISMATCH', 'ARTIFACT_MISMATCH'],
        bundle,
        asked,
      );
      expect(control).toMatchObject({ ok: true, level: 'trusted' });
    }
  });
});

describe('a forged "tests passed"', () => {
  const app: Recipe = {
    job: { name: 'app' },
    runs: ['ada', 'bob', 'cyd'].map((operator) => ({ operator, builds: 'evil app' })),
    own: null,
    policy: open,
    level: 'agreed',
  };
  /** A test that passed on an app that N operators agree on, and of which the verdict claims to be trusted. */
  const tests = async (over: Recipe = {}) => {
    const from = await makeProject(app);
    return makeProject({
      own: null,
      policy: open,
      job: { name: 'test' },
      reads: { app: { from, level: 'agreed' as const } },
      ...over,
    });
  };
  it('is worth no more than its inputs', async () => {
    const { bundle } = await tests();
    expect(await verifyWithout([], bundle)).toMatchObject({ ok: false, code: 'INPUTS_NOT_TRUSTED' });
    const { bundle: honest } = await tests({ level: 'agreed' });
    expect(await verifyWithout([], honest)).toMatchObject({ ok: true, level: 'agreed' });
  });
  it('control: where the level of inputs counts for nothing, it succeeds', async () => {
    const { bundle } = await tests();
    expect(await verifyWithout(['inputs', 'INPUTS_NOT_TRUSTED'], bundle)).toMatchObject({
      ok: true,
      level: 'trusted',
    });
  });
  it('nor is one on another app than the one that was built', async () => {
    const from = await makeProject();
    const recipe: Recipe = {
      own: null,
      policy: open,
      job: { name: 'test' },
      reads: { app: { from, artifact: cidOf('evil app') } },
    };
    const { bundle } = await makeProject(recipe);
    expect(await verifyWithout([], bundle)).toMatchObject({ code: 'INPUT_ARTIFACT_MISMATCH' });
    expect(await verifyWithout(['INPUT_ARTIFACT_MISMATCH'], bundle)).toMatchObject({ level: 'trusted' });
  });
  it('nor is one whose app is shown by nothing', async () => {
    const from = await makeProject();
    const { bundle } = await makeProject({
      own: null,
      policy: open,
      job: { name: 'test' },
      reads: { app: { from } },
      bundle: ({ inputs: _, ...rest }) => rest,
    });
    expect(await verifyWithout([], bundle)).toMatchObject({ code: 'INPUT_EVIDENCE_MISSING' });
    expect(await verifyWithout(['INPUT_EVIDENCE_MISSING'], bundle)).toMatchObject({ level: 'trusted' });
  });
  it('nor does a package stand whose test was left out', async () => {
    const test = await makeProject({ job: { name: 'test' } });
    const { bundle } = await makeProject({
      reads: { test: { from: test } },
      bundle: ({ inputs: _, ...rest }) => rest,
    });
    expect(await verifyWithout([], bundle)).toMatchObject({ code: 'INPUT_EVIDENCE_MISSING' });
    expect(await verifyWithout(['INPUT_EVIDENCE_MISSING'], bundle)).toMatchObject({ level: 'trusted' });
  });
  it('and a trusted worker is not to sign over inputs that are not trusted', async () => {
    const from = await makeProject(app);
    const { draft } = await makeProject({
      job: { name: 'test' },
      reads: { app: { from, level: 'agreed' } },
    });
    expect(await verifyWithout([], draft, {}, 'draft')).toMatchObject({ code: 'INPUTS_NOT_TRUSTED' });
    const guards = ['INPUTS_NOT_TRUSTED', 'inputs'];
    expect(await verifyWithout(guards, draft, {}, 'draft')).toMatchObject({ ok: true, level: 'trusted' });
  });
});

describe('replayed, stale or cross-used messages', () => {
  it('a receipt of another lease', () =>
    holdsOff('RECEIPT_LEASE_MISMATCH', { facts: (f) => ({ ...f, lease: 'a'.repeat(64) }) }));
  it('a receipt with a stale fence', () =>
    holdsOff('RECEIPT_LEASE_MISMATCH', {
      facts: (f, run) => (run.operator === 'ada' ? { ...f, fence: { epoch: 0, n: 1 } } : f),
    }));
  it('a receipt of a build under another sandbox profile, passed off as one under this', () =>
    holdsOff('RECEIPT_PROFILE_MISMATCH', {
      facts: (f) => ({ ...f, sandbox: { ...f.sandbox, profile: 'quorate-sandbox/1' } }),
    }));
  it('a receipt of a build that failed, with files', () =>
    holdsOff('RECEIPT_FAILED_WITH_FILES', {
      facts: (f, run) =>
        run.operator === 'cyd' ? { ...f, outcome: { ...f.outcome, code: 1 } as typeof f.outcome } : f,
    }));
  it('a fence given twice', () =>
    holdsOff('LEASE_FENCE_TWICE', { lease: (l) => ({ ...l, fence: { epoch: 1, n: 1 } }) }));
  it('an offer of another request', () =>
    holdsOff('OFFER_REQUEST_MISMATCH', { offer: (o) => ({ ...o, request: 'a'.repeat(64) }) }));
  it('a grant of yesterday', () =>
    holdsOff('GRANT_NOT_VALID_THEN', {
      grant: (g) => ({ ...g, iat: g.iat - 200_000, exp: g.exp - 200_000 }),
    }));
  it("somebody else's grant", () =>
    holdsOff('GRANT_KEY_MISMATCH', { grant: (g) => ({ ...g, sub: mallory.id }) }));
  it('a grant of another project', () =>
    holdsOff('GRANT_PROJECT_MISMATCH', { grant: (g) => ({ ...g, project: mallory.id }) }));
  it('a message of another kind: its type says so', async () => {
    const { bundle } = await makeProject();
    expect((await verifyWithout([], { ...bundle, offers: [bundle.request] })).code).toBe('DOC_WRONG_TYPE');
  });
  it('a charter of another root', () => holdsOff('CHARTER_ISSUER_MISMATCH', { keys: { root: mallory } }));
});

describe('the controller tells two stories, or drops a receipt', () => {
  const runs = [
    { operator: 'ada', builds: 'evil' },
    { operator: 'bob', builds: 'evil' },
    { operator: 'cyd' },
  ];
  const dropped: Recipe = {
    runs: runs.slice(0, 2),
    own: { operator: 'owner', builds: 'evil' },
    log: (leaves) => {
      const offer = leaves.find((leaf) => leaf.startsWith('offer '))?.split(' ')[1];
      return [...leaves, `receipt ${'d'.repeat(64)} offer ${offer}`];
    },
  };
  it('rereading the log finds the receipt the bundle leaves out', async () => {
    const { draft, leaves } = await makeProject(dropped);
    expect((await verifyWithout([], draft, { log: LogView.of(leaves) }, 'draft')).code).toBe(
      'RECEIPT_DROPPED',
    );
    expect(
      await verifyWithout(['RECEIPT_DROPPED'], draft, { log: LogView.of(leaves) }, 'draft'),
    ).toMatchObject({ ok: true });
  });
  it('rereading the log finds that an operator was enrolled later than its grant says', async () => {
    const { draft, leaves } = await makeProject({ grant: (g) => ({ ...g, enrolled: 0 }) });
    expect((await verifyWithout([], draft, { log: LogView.of(leaves) }, 'draft')).code).toBe(
      'ENROLMENT_NOT_LOGGED',
    );
    expect(
      await verifyWithout(['ENROLMENT_NOT_LOGGED'], draft, { log: LogView.of(leaves) }, 'draft'),
    ).toMatchObject({
      ok: true,
    });
  });
  it('leaves that the trusted worker is shown are those of the checkpoint it signs', async () => {
    // The log has a receipt that the bundle leaves out; the trusted worker is shown leaves without it.
    const { draft, leaves } = await makeProject(dropped);
    const shown = leaves.slice(0, -1);
    expect((await verifyWithout([], draft, { log: LogView.of(shown) }, 'draft')).code).toBe(
      'LOG_LEAVES_MISMATCH',
    );
    expect(
      await verifyWithout(['LOG_LEAVES_MISMATCH'], draft, { log: LogView.of(shown) }, 'draft'),
    ).toMatchObject({
      ok: true,
    });
  });
  it('a log for the trusted worker and one for consumers: its witness signature is over the other', async () => {
    const shown = await makeProject({ log: (leaves) => [...leaves, 'enrol eve worker x'] });
    const forked = await makeProject();
    const unwitnessed = { ...forked.bundle, checkpoint: forked.draft.checkpoint };
    expect((await verifyWithout([], unwitnessed)).code).toBe('WITNESS_MISSING');
    expect(await verifyWithout(['WITNESS_MISSING'], unwitnessed)).toMatchObject({
      ok: true,
      level: 'trusted',
    });
    // Nor does the signature move from one checkpoint to the other.
    const witness = shown.bundle.checkpoint.split('\n').at(-2);
    const moved = { ...forked.bundle, checkpoint: `${forked.draft.checkpoint}${witness}\n` };
    expect((await verifyWithout([], moved)).code).toBe('CHECKPOINT_BAD_SIGNATURE');
  });
  it('a receipt, or the verdict, that is in no log', async () => {
    await holdsOff('LOG_LEAF_MISSING', { log: (leaves) => leaves.slice(0, -1) });
  });
  it('a log nobody else has seen: the witness signature is missing', async () => {
    await holdsOff('WITNESS_MISSING', { keys: { witness: mallory } });
  });
  it('a proof of another place', () =>
    holdsOff('LOG_PROOF_INVALID', {
      bundle: (b) => ({
        ...b,
        entries: b.entries.map((e) => ({ ...e, path: e.path.map(() => '0'.repeat(64)) })),
      }),
    }));
});

describe('a key is stolen', () => {
  const off = ['key-revoked'];
  const from = (key: string, index: number) => ({ revocations: [keyRevoked(key, index)] });
  it('revoked from a log index, what rested on it is decided again', async () => {
    const { bundle, votes } = await makeProject({ runs: [{ operator: 'ada' }, { operator: 'bob' }] });
    const index = votes[0]?.index ?? 0;
    const revoked = from(workerKey('ada').id, index);
    expect(await verifyWithout([], bundle, revoked)).toMatchObject({
      ok: false,
      code: 'EVIDENCE_REVOKED',
    });
    expect(await verifyWithout(off, bundle, revoked)).toMatchObject({ ok: true, level: 'trusted' });
  });
  it('its signatures below that index stand', async () => {
    const { bundle, votes } = await makeProject({ runs: [{ operator: 'ada' }, { operator: 'bob' }] });
    const later = from(workerKey('ada').id, (votes[0]?.index ?? 0) + 1);
    expect(await verifyWithout([], bundle, later)).toMatchObject({ ok: true, level: 'trusted' });
  });
  it.each([
    ['controller', controller.id, 'KEY_REVOKED'],
    ['publisher', publisher.id, 'KEY_REVOKED'],
    ['trusted worker', trusted.id, 'EVIDENCE_REVOKED'],
  ])('the %s’s: nothing that it signed from then on is trusted', async (_, key, code) => {
    const { bundle } = await makeProject();
    expect((await verifyWithout([], bundle, from(key, 0))).code).toBe(code);
    expect(await verifyWithout(off, bundle, from(key, 0))).toMatchObject({ ok: true, level: 'trusted' });
  });
});
