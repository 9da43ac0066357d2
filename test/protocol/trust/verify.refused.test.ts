import { beforeAll, describe, expect, it } from 'vitest';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import type { Bundle } from '../../../src/protocol/documents/index.ts';
import { verifyBundle } from '../../../src/protocol/trust/verify.ts';
import {
  at,
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

/** Changes to a valid bundle are refused in test/proof/mutation.test.ts; these need a bundle made otherwise. */
describe('a bundle is refused', () => {
  const cases: [string, Recipe, string][] = [
    [
      'whose charter is of another project',
      { charter: (c) => ({ ...c, project: mallory.id }) },
      'CHARTER_PROJECT_MISMATCH',
    ],
    [
      'whose publisher grant had run out',
      { publisherGrant: (g) => ({ ...g, iat: at - 9000, exp: at - 100 }) },
      'GRANT_NOT_VALID_THEN',
    ],
    [
      'whose offer is older than its request',
      { offer: (o) => ({ ...o, iat: at - 100 }) },
      'OFFER_NOT_IN_TIME',
    ],
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
    [
      'whose lease is for a fourth slot of three',
      { lease: (l) => ({ ...l, slot: l.slot === 2 ? 3 : l.slot }) },
      'LEASE_NO_SUCH_SLOT',
    ],
    [
      'whose verdict says trusted, and whose trusted slot went to a key the charter does not name',
      { charter: (c) => ({ ...c, trusted: [mallory.id] }), level: 'trusted', outcome: exit('good') },
      'VERDICT_UNSUPPORTED_BY_EVIDENCE',
    ],
    [
      'whose verdict says failed, and whose trusted slot went to a key the charter does not name',
      {
        charter: (c) => ({ ...c, trusted: [mallory.id] }),
        runs: ['ada', 'bob'].map((operator) => ({ operator, outcome: exit(null, 1) })),
        own: { operator: 'owner', outcome: exit(null, 2) },
        level: 'failed',
      },
      'VERDICT_UNSUPPORTED_BY_EVIDENCE',
    ],
    [
      'of one operator and a trusted slot of a key the charter does not name, which counts for nobody',
      {
        charter: (c) => ({ ...c, trusted: [mallory.id] }),
        runs: [{ operator: 'ada' }],
        level: 'agreed',
        outcome: exit('good'),
      },
      'VERDICT_UNSUPPORTED_BY_EVIDENCE',
    ],
    ['whose lease is older than its offer', { lease: (l) => ({ ...l, iat: at - 100 }) }, 'LEASE_NOT_IN_TIME'],
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
      'whose verdict says unfinished but names an artifact',
      { level: 'unfinished', outcome: exit('good') },
      'VERDICT_UNSUPPORTED_BY_EVIDENCE',
    ],
    [
      'whose verdict says unfinished where operators built different things',
      { runs: [{ operator: 'ada' }, { operator: 'bob', builds: 'other' }], own: null, level: 'unfinished' },
      'VERDICT_UNSUPPORTED_BY_EVIDENCE',
    ],
    [
      'whose verdict says unfinished where the trusted worker built something else',
      { own: { operator: 'owner', builds: 'other' }, level: 'unfinished' },
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
