import { expect, it } from 'vitest';
import type { Enrol, Invite, Possession, Verified } from '../../../src/protocol/documents/index.ts';
import {
  checkEnrol,
  checkJoins,
  checkRoom,
  checkSameMember,
  checkTicket,
  checkTickets,
  grantTimes,
} from '../../../src/protocol/judge/index.ts';
import { codeOf } from '../../support/code-and-folder.ts';
import { at, idp, makeCharter, nonceOf, project, testKey, trusted } from '../../support/documents.ts';

const [ada, mallory, holder] = [testKey('ada'), testKey('mallory'), testKey('holder')];
const opened = <T>(payload: T, signer: string): Verified<T> =>
  ({ id: '', raw: '', signer, payload }) as Verified<T>;
const now = at * 1000;
const times = { iat: at, exp: at + 600 };

const enrol: Enrol = { iss: ada.id, aud: idp.id, project, invite: nonceOf('i'), jti: nonceOf('e'), ...times };
const invite: Invite = {
  iss: idp.id,
  project,
  operator: 'ada',
  role: 'worker',
  hosts: 1,
  addrs: [],
  jti: nonceOf('i'),
  ...times,
};
const held: Possession = { iss: holder.id, project, invite: nonceOf('i'), sub: ada.id, ...times };

it.each<[Partial<Enrol>, string | undefined]>([
  [{}, undefined],
  [{ project: mallory.id }, 'TICKET_PROJECT_MISMATCH'],
  [{ aud: mallory.id }, 'ENROL_AUDIENCE_MISMATCH'],
  [{ exp: at - 61 }, 'DOC_EXPIRED'],
])('an enrolment with %o: %s', async (over, code) => {
  expect(await codeOf(() => checkEnrol({ ...enrol, ...over }, makeCharter(), now))).toBe(code);
});

interface Use {
  ticket?: Partial<Invite>;
  enrol?: Partial<Enrol>;
  possession?: Partial<Possession> | undefined;
  by?: string;
  issuer?: string;
  holder?: string;
}

it.each<[string, Use, string | undefined]>([
  ['as it is made', {}, undefined],
  ['that another key signed', { issuer: mallory.id }, 'TICKET_ISSUER_MISMATCH'],
  ['of another project', { ticket: { project: mallory.id } }, 'TICKET_PROJECT_MISMATCH'],
  ['that has ended', { ticket: { exp: at - 61 } }, 'DOC_EXPIRED'],
  ['of another number', { enrol: { invite: nonceOf('other') } }, 'ENROL_TICKET_MISMATCH'],
  ['bound to this key', { ticket: { key: ada.id } }, undefined],
  ['bound to another key', { ticket: { key: mallory.id } }, 'TICKET_KEY_MISMATCH'],
  ['with a holder, and no word of it', { ticket: { holder: holder.id } }, 'TICKET_NOT_HELD'],
  ['with its holder', { ticket: { holder: holder.id }, possession: {} }, undefined],
  [
    'with the word of another holder',
    { ticket: { holder: holder.id }, possession: {}, holder: mallory.id },
    'TICKET_NOT_HELD',
  ],
  ...(
    [
      { invite: nonceOf('other') },
      { sub: mallory.id },
      { project: mallory.id },
    ] satisfies Partial<Possession>[]
  ).map((possession): [string, Use, string] => [
    `with a word of its holder about ${Object.keys(possession)}`,
    { ticket: { holder: holder.id }, possession },
    'TICKET_NOT_HELD',
  ]),
  [
    'with a word of its holder that has ended',
    { ticket: { holder: holder.id }, possession: { exp: at - 61 } },
    'DOC_EXPIRED',
  ],
  [
    'of a trusted worker that the charter names',
    { ticket: { role: 'trusted-worker', key: trusted.id }, by: trusted.id },
    undefined,
  ],
  [
    'of a trusted worker that the charter does not name',
    { ticket: { role: 'trusted-worker', key: ada.id } },
    'TRUSTED_KEY_NOT_IN_CHARTER',
  ],
  [
    'of a trusted worker without its key',
    { ticket: { role: 'trusted-worker' }, by: trusted.id },
    'TRUSTED_KEY_NOT_IN_CHARTER',
  ],
])('a ticket %s', async (_name, use, code) => {
  const documents = {
    invite: opened({ ...invite, ...use.ticket }, use.issuer ?? idp.id),
    enrol: opened({ ...enrol, ...use.enrol }, use.by ?? ada.id),
    ...(use.possession && {
      possession: opened({ ...held, ...use.possession }, use.holder ?? holder.id),
    }),
  };
  expect(await codeOf(() => checkTicket(documents, makeCharter(), now))).toBe(code);
});

it.each([
  ['a key that is new', undefined, undefined],
  ['the same member', { operator: 'ada', role: 'worker' }, undefined],
  ['a member of another operator', { operator: 'bob', role: 'worker' }, 'KEY_ALREADY_ENROLLED'],
  ['a member of another role', { operator: 'ada', role: 'publisher' }, 'KEY_ALREADY_ENROLLED'],
] as const)('%s joins: %o %s', async (_name, known, code) => {
  expect(await codeOf(() => checkSameMember(ada.id, known, invite))).toBe(code);
});

it.each([
  ['hosts of a ticket', (n: number) => checkRoom({ ...invite, hosts: 3 }, Array(n)), 3, 'TICKET_EXHAUSTED'],
  ['tickets of a key', (n: number) => checkTickets(idp.id, n), 10_000, 'TICKETS_FULL'],
  ['hosts by tickets of a key', (n: number) => checkJoins(idp.id, n), 100_000, 'TICKETS_FULL'],
] as const)('as many %s are taken as it says, and not one more', async (_name, check, max, code) => {
  expect(await codeOf(() => check(max - 1))).toBeUndefined();
  expect(await codeOf(() => check(max))).toBe(code);
});

it.each([
  [3600_000, 3600],
  [1, 1],
  // A day at most.
  [48 * 3600_000, 24 * 3600],
])('a grant for %i ms is one for %i s', (ms, seconds) => {
  expect(grantTimes(now, ms)).toEqual({ iat: at, exp: at + seconds });
});
