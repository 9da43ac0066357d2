import { beforeAll, describe, expect, it } from 'vitest';
import type { Bundle } from '../../../src/core/documents/index.ts';
import { verifyBundle } from '../../../src/core/trust/verify.ts';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import {
  at,
  cidOf,
  controller,
  cosign,
  exit,
  makeProject,
  nonceOf,
  type Project,
  project,
  type Recipe,
  testKey,
  trusted,
} from '../../support/project.ts';

const verify = (bundle: Bundle) => verifyBundle(bundle, { project }, joseVerifier);
const mallory = testKey('mallory');
let valid: Project;
let other: Project;

beforeAll(async () => {
  valid = await makeProject();
  other = await makeProject({ request: (r) => ({ ...r, jti: nonceOf('another request') }) });
});

const evilCharter: Recipe = {
  charter: (c) => ({ ...c, controllers: [mallory.id] }),
  keys: { root: mallory },
};

describe('a bundle is refused', () => {
  const cases: [string, Recipe, string][] = [
    ['whose charter the root did not sign', evilCharter, 'CHARTER_ISSUER_MISMATCH'],
    [
      'whose charter is of another project',
      { charter: (c) => ({ ...c, project: mallory.id }) },
      'CHARTER_PROJECT_MISMATCH',
    ],
    ['whose publisher has a grant of somebody else', { keys: { idp: mallory } }, 'GRANT_ISSUER_MISMATCH'],
    [
      'whose publisher is a worker',
      { publisherGrant: (g) => ({ ...g, role: 'worker' }) },
      'GRANT_ROLE_MISMATCH',
    ],
    [
      "whose request was signed with another's grant",
      { publisherGrant: (g) => ({ ...g, sub: mallory.id }) },
      'GRANT_KEY_MISMATCH',
    ],
    [
      'whose publisher grant had run out',
      { publisherGrant: (g) => ({ ...g, iat: at - 9000, exp: at - 100 }) },
      'GRANT_NOT_VALID_THEN',
    ],
    [
      'whose publisher grant is of another project',
      { publisherGrant: (g) => ({ ...g, project: mallory.id }) },
      'GRANT_PROJECT_MISMATCH',
    ],
    [
      'whose request is of another project',
      { request: (r) => ({ ...r, project: mallory.id }) },
      'REQUEST_PROJECT_MISMATCH',
    ],
    [
      'whose policy is below the floor',
      { charter: (c) => ({ ...c, floor: { ...c.floor, agree: 3 } }) },
      'POLICY_BELOW_FLOOR',
    ],
    [
      'whose repository the charter does not allow',
      { charter: (c) => ({ ...c, vcs: ['git.example:8443'] }) },
      'SOURCE_HOST_NOT_ALLOWED',
    ],
    [
      'whose request is for another job',
      { request: (r) => ({ ...r, job: cidOf('job') }) },
      'REQUEST_JOB_MISMATCH',
    ],
    [
      'whose request names another commit',
      { request: (r) => ({ ...r, commit: '1'.repeat(40) }) },
      'REQUEST_SOURCE_MISMATCH',
    ],
    ['whose offer is not by the controller', { keys: { offers: mallory } }, 'OFFER_ISSUER_MISMATCH'],
    [
      'whose offer is for another request',
      { offer: (o) => ({ ...o, request: '0'.repeat(64) }) },
      'OFFER_REQUEST_MISMATCH',
    ],
    ['whose offer is for another job', { offer: (o) => ({ ...o, job: cidOf('job') }) }, 'OFFER_JOB_MISMATCH'],
    [
      'whose offer is of another project',
      { offer: (o) => ({ ...o, project: mallory.id }) },
      'OFFER_PROJECT_MISMATCH',
    ],
    [
      'whose offer has another policy',
      { offer: (o) => ({ ...o, policy: { ...o.policy, agree: 3 } }) },
      'OFFER_POLICY_MISMATCH',
    ],
    [
      'whose offer is older than its request',
      { offer: (o) => ({ ...o, iat: at - 100 }) },
      'OFFER_NOT_IN_TIME',
    ],
    ['whose offer starts at round 2', { offer: (o) => ({ ...o, round: 2 }) }, 'OFFER_ROUND'],
    [
      'with more rounds than allowed',
      { runs: [1, 2, 3].map((round) => ({ operator: `op${round}`, round })) },
      'OFFER_ROUND',
    ],
    [
      'whose offer claims another place in the log',
      { offer: (o) => ({ ...o, index: o.index + 1 }) },
      'OFFER_INDEX_MISMATCH',
    ],
    ['whose lease is not by the controller', { keys: { leases: mallory } }, 'LEASE_ISSUER_MISMATCH'],
    [
      'whose lease is for another job',
      { lease: (l) => ({ ...l, job: cidOf('job') }) },
      'LEASE_OFFER_MISMATCH',
    ],
    ['whose lease is for another round', { lease: (l) => ({ ...l, round: 2 }) }, 'LEASE_OFFER_MISMATCH'],
    [
      'whose lease is for an offer that is not there',
      { lease: (l) => ({ ...l, offer: '0'.repeat(64) }) },
      'RECEIPT_WITHOUT_OFFER',
    ],
    [
      'whose lease is for a fourth slot of three',
      { lease: (l) => ({ ...l, slot: l.slot === 2 ? 3 : l.slot }) },
      'LEASE_NO_SUCH_SLOT',
    ],
    [
      'whose trusted slot went to a key the charter does not name',
      { charter: (c) => ({ ...c, trusted: [mallory.id] }), level: 'agreed', outcome: exit('good') },
      'LEASE_NOT_TRUSTED_KEY',
    ],
    ['whose lease is older than its offer', { lease: (l) => ({ ...l, iat: at - 100 }) }, 'LEASE_NOT_IN_TIME'],
    [
      'whose lease names another operator than the grant',
      { lease: (l) => ({ ...l, operator: 'zed' }) },
      'LEASE_OPERATOR_MISMATCH',
    ],
    [
      'whose leases share a fence',
      { lease: (l) => ({ ...l, fence: { epoch: 1, n: 1 } }) },
      'LEASE_FENCE_TWICE',
    ],
    [
      'whose worker grant had run out',
      { grant: (g) => ({ ...g, iat: at - 9000, exp: at - 100 }) },
      'GRANT_NOT_VALID_THEN',
    ],
    [
      'whose worker grant is for another key',
      { grant: (g) => ({ ...g, sub: mallory.id }) },
      'GRANT_KEY_MISMATCH',
    ],
    ['whose worker is a reader', { grant: (g) => ({ ...g, role: 'reader' }) }, 'GRANT_ROLE_MISMATCH'],
    ['whose receipt was signed by another key', { receiptKey: () => mallory }, 'RECEIPT_SIGNER_MISMATCH'],
    [
      'whose receipt has another fence',
      { facts: (f) => ({ ...f, fence: { epoch: 9, n: 9 } }) },
      'RECEIPT_LEASE_MISMATCH',
    ],
    [
      'whose receipt has another lease',
      { facts: (f) => ({ ...f, lease: '0'.repeat(64) }) },
      'RECEIPT_LEASE_MISMATCH',
    ],
    [
      'whose receipt has another operator',
      { facts: (f) => ({ ...f, operator: 'zed' }) },
      'RECEIPT_LEASE_MISMATCH',
    ],
    [
      'whose receipt has a subject that is not its artifact',
      { receipt: (r) => ({ ...r, subject: [{ name: '.', digest: { sha256: '0'.repeat(64) } }] }) },
      'RECEIPT_MISMATCH',
    ],
    [
      'whose receipt built another commit',
      {
        receipt: (r) => {
          const { buildDefinition } = r.predicate;
          const resolvedDependencies = [
            { uri: 'git+https://git.example/app.git', digest: { gitCommit: '1'.repeat(40) } },
          ];
          return {
            ...r,
            predicate: { ...r.predicate, buildDefinition: { ...buildDefinition, resolvedDependencies } },
          };
        },
      },
      'RECEIPT_MISMATCH',
    ],
    [
      'whose verdict is not by the controller',
      {
        verdictFacts: (f) => f,
        bundle: (b) => b,
        keys: { controller: mallory, offers: controller, leases: controller },
      },
      'VERDICT_ISSUER_MISMATCH',
    ],
    [
      'whose verdict is about another ref',
      { verdictFacts: (f) => ({ ...f, ref: 'v2' }) },
      'VERDICT_REQUEST_MISMATCH',
    ],
    [
      'whose verdict is about another commit',
      { verdictFacts: (f) => ({ ...f, commit: '1'.repeat(40) }) },
      'VERDICT_REQUEST_MISMATCH',
    ],
    [
      'whose verdict is about another policy',
      { verdictFacts: (f) => ({ ...f, policy: { ...f.policy, cosign: 'none' } }) },
      'VERDICT_REQUEST_MISMATCH',
    ],
    [
      'whose verdict sums itself up wrongly',
      { verdict: (v) => ({ ...v, predicate: { ...v.predicate, verificationResult: 'FAILED' } }) },
      'VERDICT_MISMATCH',
    ],
    [
      'whose verdict leaves out a receipt',
      { verdictFacts: (f) => ({ ...f, receipts: f.receipts.slice(1) }) },
      'VERDICT_RECEIPTS_MISMATCH',
    ],
    [
      'whose verdict lists a receipt twice',
      { verdictFacts: (f) => ({ ...f, receipts: [...f.receipts.slice(1), ...f.receipts.slice(1, 2)] }) },
      'VERDICT_RECEIPTS_MISMATCH',
    ],
    [
      'whose verdict changes a dissent into consent',
      {
        runs: [{ operator: 'ada' }, { operator: 'bob' }, { operator: 'eve', builds: 'evil' }],
        verdictFacts: (f) => ({ ...f, receipts: f.receipts.map((r) => ({ ...r, outcome: exit('good') })) }),
      },
      'VERDICT_RECEIPTS_MISMATCH',
    ],
    [
      'whose verdict says trusted of what nobody built',
      { outcome: exit('evil') },
      'VERDICT_UNSUPPORTED_BY_EVIDENCE',
    ],
    [
      'whose verdict says trusted on one receipt',
      { runs: [{ operator: 'ada' }], level: 'trusted', outcome: exit('good') },
      'VERDICT_UNSUPPORTED_BY_EVIDENCE',
    ],
    [
      'whose verdict says agreed of the dissent',
      {
        runs: [{ operator: 'ada' }, { operator: 'bob' }, { operator: 'eve', builds: 'evil' }],
        level: 'agreed',
        outcome: exit('evil'),
      },
      'VERDICT_UNSUPPORTED_BY_EVIDENCE',
    ],
    [
      'whose verdict says trusted where the trusted worker did not build',
      { own: null, level: 'trusted' },
      'VERDICT_UNSUPPORTED_BY_EVIDENCE',
    ],
    [
      'whose verdict says trusted where the trusted worker built something else',
      { own: { operator: 'owner', builds: 'other' }, level: 'trusted', outcome: exit('good') },
      'VERDICT_UNSUPPORTED_BY_EVIDENCE',
    ],
    ['whose verdict says failed of a success', { level: 'failed' }, 'VERDICT_UNSUPPORTED_BY_EVIDENCE'],
    [
      'whose verdict says disputed but names an artifact',
      { level: 'disputed', outcome: exit('good') },
      'VERDICT_UNSUPPORTED_BY_EVIDENCE',
    ],
    [
      'whose verdict lists other files than the builds',
      {
        verdict: (v) => ({
          ...v,
          subject: [...v.subject.slice(0, 1), { name: 'app', digest: { sha256: '0'.repeat(64) } }],
        }),
      },
      'VERDICT_SUBJECTS_MISMATCH',
    ],
    ['whose checkpoint the log did not sign', { keys: { log: mallory } }, 'CHECKPOINT_UNSIGNED'],
    [
      'whose log holds no receipt of ada',
      { log: (l) => l.filter((_, i) => i !== l.findIndex((x) => x.startsWith('receipt'))) },
      'LOG_LEAF_MISSING',
    ],
    ['whose log does not hold the verdict', { log: (l) => l.slice(0, -1) }, 'LOG_LEAF_MISSING'],
    [
      'whose log proof is of another place',
      { bundle: (b) => ({ ...b, entries: b.entries.map((e) => ({ ...e, index: e.index + 1 })) }) },
      'LOG_PROOF_INVALID',
    ],
    [
      'whose log entries repeat',
      { bundle: (b) => ({ ...b, entries: [...b.entries, ...b.entries] }) },
      'LOG_ENTRY_TWICE',
    ],
    [
      'whose receipts are in the log before their offer',
      {
        log: (l) => {
          const first = l.findIndex((x) => x.startsWith('receipt'));
          return [
            l[first] ?? '',
            ...l.slice(0, first - 1).slice(1),
            ...l.slice(first - 1, first),
            ...l.slice(first + 1),
          ];
        },
      },
      'RECEIPT_BEFORE_OFFER',
    ],
    [
      'that holds a receipt twice',
      { bundle: (b) => ({ ...b, receipts: [...b.receipts, ...b.receipts] }) },
      'RECEIPT_TWICE',
    ],
    [
      'that holds no offer for a receipt',
      {
        runs: [{ operator: 'ada' }, { operator: 'bob' }, { operator: 'cyd', round: 2 }],
        bundle: (b) => ({ ...b, offers: b.offers.slice(0, 1) }),
      },
      'RECEIPT_WITHOUT_OFFER',
    ],
    [
      'co-signed by a key the charter does not name',
      { keys: { cosigner: mallory } },
      'COSIGN_NOT_TRUSTED_KEY',
    ],
    ['co-signed, but with no word on the log', { keys: { witness: mallory } }, 'WITNESS_MISSING'],
    [
      'with a document cut short',
      { bundle: (b) => ({ ...b, request: b.request.slice(0, -4) }) },
      'DOC_NOT_BASE64',
    ],
    [
      'with a document of another kind',
      { bundle: (b) => ({ ...b, request: b.publisher }) },
      'DOC_WRONG_TYPE',
    ],
  ];

  it.each(cases)('%s', async (_name, recipe, code) => {
    const { bundle } = await makeProject(recipe);
    const result = await verify(bundle);
    expect(result.code).toBe(code);
    expect(result).toMatchObject({ ok: false, level: 'none', facts: null });
    expect(result.steps.at(-1)).toMatchObject({ ok: false, code });
    expect(result.steps.slice(0, -1).every(({ ok }) => ok)).toBe(true);
  });

  it.each(['request', 'publisher', 'verdict', 'checkpoint', 'offers', 'receipts'] as const)(
    'when its %s came from another build',
    async (part) => {
      const swapped =
        part === 'publisher'
          ? await makeProject({ publisherGrant: (g) => ({ ...g, project: mallory.id }) })
          : other;
      const result = await verify({ ...valid.bundle, [part]: swapped.bundle[part] });
      expect(result).toMatchObject({ ok: false, level: 'none' });
    },
  );

  it('when a lease has two receipts', async () => {
    const second = await makeProject({ facts: (f) => ({ ...f, nonce: nonceOf('second run') }) });
    const receipts = [...valid.bundle.receipts, ...second.bundle.receipts.slice(0, 1)];
    expect(await verify({ ...valid.bundle, receipts })).toMatchObject({ ok: false, code: 'RECEIPT_SECOND' });
  });

  it('when the trusted worker is named by the charter but built nothing and signs all the same', async () => {
    const second = testKey('second trusted');
    const { draft } = await makeProject({ charter: (c) => ({ ...c, trusted: [trusted.id, second.id] }) });
    expect(await verify(await cosign(draft, second))).toMatchObject({ ok: false, code: 'COSIGN_NOT_BUILT' });
  });
});
