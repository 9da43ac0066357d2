import { expect, it } from 'vitest';
import type { Grant, Lease, Offer, Verified } from '../../../src/protocol/documents/index.ts';
import { checkGrant, checkLease, enforce, type GrantUse } from '../../../src/protocol/judge/index.ts';
import { codeOf } from '../../support/code-and-folder.ts';
import {
  at,
  cidOf,
  controller,
  idp,
  makeCharter,
  makeGrant,
  makeOffer,
  nonceOf,
  testKey,
} from '../../support/documents.ts';

const [ada, mallory] = [testKey('ada'), testKey('mallory')];
const opened = <T>(payload: T, signer: string, id = 'a'.repeat(64)): Verified<T> =>
  ({ id, raw: '', signer, payload }) as Verified<T>;

const offer: Offer = makeOffer('b'.repeat(64), cidOf('job'), { iat: at, exp: at + 600 });
const lease: Lease = {
  iss: controller.id,
  aud: ada.id,
  project: offer.project,
  claim: 'c'.repeat(64),
  offer: 'a'.repeat(64),
  job: offer.job,
  round: 1,
  operator: 'ada',
  slot: 0,
  fence: { epoch: 1, n: 1 },
  iat: at,
  exp: at + 60,
};

it.each<[string, Partial<Lease>, string | undefined, string?]>([
  ['of its offer', {}, undefined],
  ['of the last slot', { slot: 2 }, undefined],
  ['of the slot of the trusted worker', { slot: 'trusted' }, undefined],
  ['of a slot more than there are', { slot: 3 }, 'LEASE_NO_SUCH_SLOT'],
  ['from another key', {}, 'LEASE_ISSUER_MISMATCH', mallory.id],
  ['from another controller of the charter', {}, 'LEASE_ISSUER_MISMATCH', testKey('second').id],
  ['of another offer', { offer: 'd'.repeat(64) }, 'LEASE_OFFER_MISMATCH'],
  ['of another project', { project: mallory.id }, 'LEASE_OFFER_MISMATCH'],
  ['of another job', { job: cidOf('other') }, 'LEASE_OFFER_MISMATCH'],
  ['of another round', { round: 2 }, 'LEASE_OFFER_MISMATCH'],
  ['given as long before its offer as clocks may differ', { iat: at - 60 }, undefined],
  ['given a second before that', { iat: at - 61 }, 'LEASE_NOT_IN_TIME'],
  ['given as long after the end of its offer as clocks may differ', { iat: at + 660 }, undefined],
  ['given a second after that', { iat: at + 661 }, 'LEASE_NOT_IN_TIME'],
])('a lease %s: %o %s', async (_name, over, code, signer = controller.id) => {
  const charter = makeCharter({ controllers: [controller.id, testKey('second').id] });
  const given = opened({ ...lease, ...over }, signer);
  expect(await codeOf(() => checkLease(enforce, given, opened(offer, controller.id), charter))).toBe(code);
});

it.each<[string, Partial<Grant>, Partial<GrantUse>, string | undefined]>([
  ['for any role', {}, {}, undefined],
  ['for the role that it is for', {}, { as: 'worker' }, undefined],
  ['for another role', {}, { as: 'publisher' }, 'GRANT_ROLE_MISMATCH'],
  ['by another key', {}, { by: mallory.id }, 'GRANT_KEY_MISMATCH'],
  ['of another project', { project: mallory.id }, {}, 'GRANT_PROJECT_MISMATCH'],
  ['as long before it was given as clocks may differ', {}, { at: at - 60 }, undefined],
  ['a second before that', {}, { at: at - 61 }, 'GRANT_NOT_VALID_THEN'],
  ['as long after its end as clocks may differ', {}, { at: at + 660 }, undefined],
  ['a second after that', {}, { at: at + 661 }, 'GRANT_NOT_VALID_THEN'],
])('a grant that is used %s: %o %o %s', async (_name, over, use, code) => {
  const grant = makeGrant(ada, 'ada', 'worker', { iat: at, exp: at + 600, jti: nonceOf('g'), ...over });
  const check = () =>
    checkGrant(enforce, opened(grant, idp.id), makeCharter(), { by: ada.id, at: at + 1, ...use });
  expect(await codeOf(check)).toBe(code);
});
