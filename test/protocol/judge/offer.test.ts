import { describe, expect, it } from 'vitest';
import type { NodeKey } from '../../../src/identity/keys.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import {
  type Charter,
  encodeJob,
  type Grant,
  type Job,
  type Offer,
  type Request,
  signMessage,
} from '../../../src/protocol/documents/index.ts';
import { checkOffered, enforce } from '../../../src/protocol/judge/index.ts';
import {
  at,
  cidOf,
  controller,
  idp,
  makeCharter,
  makeGrant,
  makeJob,
  makeOffer,
  makeRequest,
  policy,
  publisher,
  recipe,
  testKey,
} from '../../support/documents.ts';

const mallory = testKey('mallory');

interface Change {
  offer?: Partial<Offer>;
  request?: Partial<Request>;
  grant?: Partial<Grant>;
  charter?: Partial<Charter>;
  /** The job sent with the request, if it is not the one the request names. */
  job?: Partial<Job>;
  keys?: { offer?: NodeKey; request?: NodeKey; grant?: NodeKey };
  now?: number;
}

/** The code with which a worker refuses the offer; undefined where it takes it. */
async function refusal({ offer, request, grant, charter, job, keys = {}, now = at + 20 }: Change) {
  const sent = encodeJob(makeJob(job)).id;
  const asked = makeRequest(encodeJob(makeJob()).id, {
    ...request,
    iss: (keys.request ?? publisher).id,
  });
  const signed = await signMessage('request', asked, (keys.request ?? publisher).signer);
  const made = makeOffer(signed.id, sent, { ...offer, iss: (keys.offer ?? controller).id });
  const granted = makeGrant(publisher, 'owner', 'publisher', { ...grant, iss: (keys.grant ?? idp).id });
  const order = {
    request: signed,
    publisher: await signMessage('grant', granted, (keys.grant ?? idp).signer),
    job: makeJob(job),
    jobId: sent,
  };
  const sealed = await signMessage('offer', made, (keys.offer ?? controller).signer);
  try {
    checkOffered(enforce, sealed, order, { charter: makeCharter(charter), now: now * 1000 });
    return undefined;
  } catch (error) {
    if (error instanceof QuorateError) return error.code;
    throw error;
  }
}

describe('an offer', () => {
  it('is taken where all of it fits together', async () => expect(await refusal({})).toBeUndefined());

  it('is taken with a job file from outside where the charter allows them', async () =>
    expect(await refusal({ charter: { recipes: 'outside' }, request: { recipe } })).toBeUndefined());

  it.each<[string, Change]>([
    ['made as long before its request as clocks may differ', { offer: { iat: at - 60 } }],
    ['of the last round that its policy allows', { offer: { round: 2 } }],
    ['of an older charter', { offer: { charter: 1 }, charter: { epoch: 2 } }],
    [
      'of a job that reads all that its request needs, and not what is only its gate',
      {
        job: { inputs: { lib: cidOf('lib') } },
        request: {
          needs: {
            lib: { request: 'a'.repeat(64), level: 'agreed' },
            tests: { request: 'b'.repeat(64), level: 'agreed', gate: true },
          },
        },
      },
    ],
    ['for a request of a week', { request: { exp: at + 7 * 24 * 3600 } }],
  ])('%s is taken', async (_name, change) => expect(await refusal(change)).toBeUndefined());

  it.each<[string, Change, string]>([
    ['made a second before that', { offer: { iat: at - 61 } }, 'OFFER_NOT_IN_TIME'],
    [
      'made after the end of its request by more than clocks may differ',
      { request: { exp: at + 11 }, offer: { iat: at + 72 }, now: at + 71 },
      'OFFER_NOT_IN_TIME',
    ],
    ['for a request of more', { request: { exp: at + 7 * 24 * 3600 + 1 } }, 'REQUEST_TOO_LONG'],
    [
      'of another repository than its job',
      { request: { repo: 'https://git.example/b.git' } },
      'REQUEST_SOURCE_MISMATCH',
    ],
    ['signed by no controller', { keys: { offer: mallory } }, 'OFFER_ISSUER_MISMATCH'],
    ['that has expired', { offer: { exp: at + 11 }, now: at + 1000 }, 'DOC_EXPIRED'],
    ['whose request has expired', { request: { exp: at + 11 }, now: at + 1000 }, 'DOC_EXPIRED'],
    ['of another project', { offer: { project: mallory.id } }, 'OFFER_PROJECT_MISMATCH'],
    ['of a newer charter than is known', { offer: { charter: 2 } }, 'OFFER_CHARTER_NEWER'],
    ['for another request', { offer: { request: 'a'.repeat(64) } }, 'OFFER_REQUEST_MISMATCH'],
    ['for another job', { offer: { job: cidOf('other') } }, 'OFFER_JOB_MISMATCH'],
    ['under another policy', { offer: { policy: { ...policy, agree: 3 } } }, 'OFFER_POLICY_MISMATCH'],
    ['older than its request', { offer: { iat: at - 1000 } }, 'OFFER_NOT_IN_TIME'],
    ['of a round too many', { offer: { round: 3 } }, 'OFFER_ROUND'],
    ['for a request of another project', { request: { project: mallory.id } }, 'REQUEST_PROJECT_MISMATCH'],
    ['whose grant nobody of the charter gave', { keys: { grant: mallory } }, 'GRANT_ISSUER_MISMATCH'],
    ['whose grant is of another project', { grant: { project: mallory.id } }, 'GRANT_PROJECT_MISMATCH'],
    ['whose request another key signed', { keys: { request: mallory } }, 'GRANT_KEY_MISMATCH'],
    ['asked for by a reader', { grant: { role: 'reader' } }, 'GRANT_ROLE_MISMATCH'],
    ['asked for before its grant', { grant: { iat: at + 1000, exp: at + 2000 } }, 'GRANT_NOT_VALID_THEN'],
    [
      'below the floor',
      { charter: { floor: { agree: 3, of: 5, cosign: 'required', rounds: 1 } } },
      'POLICY_BELOW_FLOOR',
    ],
    [
      'of a server the charter does not allow',
      { charter: { vcs: ['other.example'] } },
      'SOURCE_HOST_NOT_ALLOWED',
    ],
    [
      'with a job file from outside that the charter does not allow',
      { request: { recipe } },
      'RECIPE_NOT_ALLOWED',
    ],
    [
      'with a job file from outside of a server that the charter does not allow',
      {
        charter: { recipes: 'outside' },
        request: { recipe: { ...recipe, repo: 'https://other.example/recipes.git' } },
      },
      'SOURCE_HOST_NOT_ALLOWED',
    ],
    ['with another job than its request names', { job: { name: 'other' } }, 'REQUEST_JOB_MISMATCH'],
    ['of another commit than its job', { request: { commit: 'f'.repeat(40) } }, 'REQUEST_SOURCE_MISMATCH'],
    [
      'of a job that reads what its request does not need',
      { job: { inputs: { lib: cidOf('lib') } } },
      'JOB_INPUTS_MISMATCH',
    ],
    [
      'of a job without what its request needs',
      { request: { needs: { lib: { request: 'a'.repeat(64), level: 'agreed' } } } },
      'JOB_INPUTS_MISMATCH',
    ],
  ])('%s is refused', async (_name, change, code) => expect(await refusal(change)).toBe(code));
});
