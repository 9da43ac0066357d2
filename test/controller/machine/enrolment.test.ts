import { describe, expect, it } from 'vitest';
import { standIn } from '../../../simulations/keys.ts';
import { checkEnrolled } from '../../../src/controller/machine/members/enrolment.ts';
import { identityLimits } from '../../../src/identity/limits.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import type { Grant, RevocationTarget } from '../../../src/protocol/documents/index.ts';
import { codeOf } from '../../support/code-and-folder.ts';
import { A, Bench, projectOf } from './bench.ts';

const idOfKey = (name: string) => standIn.signer(name).id;

async function started(): Promise<Bench> {
  const bench = new Bench();
  await bench.start();
  return bench;
}

const code = (reply: { kind: string; code?: string }) => (reply.kind === 'error' ? reply.code : reply.kind);

describe('enrolment', () => {
  it('turns an invite into one operator, in the log from then on', async () => {
    const bench = await started();
    const before = bench.controller.state.log.size;
    const reply = await bench.enrol('ada');
    expect(reply).toMatchObject({
      kind: 'grant',
      grant: { operator: 'ada', role: 'worker', enrolled: before },
    });
    expect(bench.controller.state.log.leaves(before)).toEqual([expect.stringMatching(/^enrol ada worker /)]);
  });

  it('gives all hosts of one invite the same operator and the same index', async () => {
    const bench = await started();
    const first = await bench.enrol('ada-1', { operator: 'ada', hosts: 2 });
    const second = await bench.enrol('ada-2', { operator: 'ada', hosts: 2 });
    expect([first, second]).toMatchObject([
      { grant: { operator: 'ada', enrolled: 1 } },
      { grant: { operator: 'ada', enrolled: 1 } },
    ]);
    expect(bench.controller.state.log.size).toBe(2);
  });

  it('refuses one machine more than the ticket is for, and still knows the first', async () => {
    const bench = await started();
    await bench.enrol('ada-1', { operator: 'ada', hosts: 1 });
    expect(code(await bench.enrol('ada-2', { operator: 'ada', hosts: 1 }))).toBe('TICKET_EXHAUSTED');
    expect(code(await bench.enrol('ada-1', { operator: 'ada', hosts: 1 }))).toBe('grant');
  });

  it('refuses a ticket bound to another key', async () => {
    const bench = await started();
    expect(code(await bench.enrol('eve', { operator: 'ada', key: bench.id('ada') }))).toBe(
      'TICKET_KEY_MISMATCH',
    );
  });

  it('refuses a trusted worker whose key the charter does not name', async () => {
    const bench = await started();
    expect(code(await bench.enrol('eve', { role: 'trusted-worker' }))).toBe('TRUSTED_KEY_NOT_IN_CHARTER');
    expect(code(await bench.enrol('trusted'))).toBe('grant');
  });

  it('refuses a key that is somebody else already', async () => {
    const bench = await projectOf('ada');
    expect(code(await bench.enrol('ada', { operator: 'bob' }))).toBe('KEY_ALREADY_ENROLLED');
  });

  it('refuses an invite that no identity provider of the project signed', async () => {
    const bench = await started();
    const invite = await bench.paper.invite('eve', 'worker', bench.now);
    const forged = { ...invite, signer: bench.id('eve') };
    const enrol = await bench.paper.enrol('eve', bench.now, invite.payload.jti);
    bench.send({ kind: 'enrol', token: 't', enrol, invite: forged });
    expect(code(bench.lastReply('t'))).toBe('TICKET_ISSUER_MISMATCH');
    expect(bench.controller.state.keys.size).toBe(0);
  });

  it('refuses a ticket whose time is over', async () => {
    const bench = await started();
    const invite = await bench.paper.invite('ada', 'worker', bench.now);
    bench.now += identityLimits.inviteSecondsMax * 1000;
    const enrol = await bench.paper.enrol('ada', bench.now, invite.payload.jti);
    bench.send({ kind: 'enrol', token: 't', enrol, invite });
    expect(code(bench.lastReply('t'))).toBe('DOC_EXPIRED');
  });

  it('renews a grant with the same operator and index, and none for a stranger', async () => {
    const bench = await projectOf('ada');
    bench.send({ kind: 'renew', token: 'ada', enrol: await bench.paper.enrol('ada', bench.now) });
    expect(bench.lastReply('ada')).toMatchObject({ grant: { operator: 'ada', enrolled: 2 } });
    bench.send({ kind: 'renew', token: 'eve', enrol: await bench.paper.enrol('eve', bench.now) });
    expect(code(bench.lastReply('eve'))).toBe('KEY_NOT_ENROLLED');
  });

  it('is refused where the controller has no charter yet', async () => {
    expect(code(await new Bench().enrol('ada'))).toBe('CONTROLLER_NOT_STARTED');
  });

  it('that is no document is a fault of the caller, not an answer', async () => {
    const { controller } = await started();
    const nothing = { kind: 'enrol', token: 't', enrol: undefined, invite: undefined } as never;
    expect(() => controller.handle(nothing, 0)).toThrow(TypeError);
  });

  it('drops a greeting under an expired grant without a word, in a replay too', async () => {
    const bench = await projectOf('ada');
    bench.send({ kind: 'absent', worker: bench.id('ada') });
    bench.now += (limits.grantSecondsMax + limits.clockSkewSeconds + 1) * 1000;
    expect(() => bench.present('ada')).not.toThrow();
    expect(bench.controller.state.presence.workers.has(bench.id('ada'))).toBe(false);
    await expect(bench.restart()).resolves.toEqual([]);
  });
});

describe('a grant', () => {
  it.each<[string, Partial<Grant>, string | undefined]>([
    ['of a member', {}, undefined],
    ['of another operator', { operator: 'bob' }, 'KEY_NOT_ENROLLED'],
    ['of another role', { role: 'reader' }, 'KEY_NOT_ENROLLED'],
    ['of another time', { enrolled: 0 }, 'KEY_NOT_ENROLLED'],
    ['of a key that never joined', { sub: idOfKey('nobody') }, 'KEY_NOT_ENROLLED'],
    ['of an operator that was revoked', { operator: 'eve' }, 'OPERATOR_REVOKED'],
  ])('%s: %o %s', async (_name, over, code) => {
    const bench = await projectOf('ada', 'bob', 'eve');
    await bench.revoke({ kind: 'operator', id: 'eve' });
    const { state } = bench.controller;
    const grant = { ...bench.grantOf('ada').payload, ...over };
    expect(await codeOf(() => checkEnrolled({ state, now: bench.now }, grant))).toBe(code);
  });
});

it.each<[string, RevocationTarget, string, string | undefined]>([
  ['an operator', { kind: 'operator', id: 'ada' }, 'idp', undefined],
  ['an operator that never joined', { kind: 'operator', id: 'nobody' }, 'idp', 'REVOCATION_TARGET_UNKNOWN'],
  ['the key of a member', { kind: 'key', id: idOfKey('ada') }, 'idp', undefined],
  ['a key that never joined', { kind: 'key', id: idOfKey('nobody') }, 'idp', 'REVOCATION_TARGET_UNKNOWN'],
  ['a key that never joined, by the root', { kind: 'key', id: idOfKey('nobody') }, 'root', undefined],
  ['a key that the charter names', { kind: 'key', id: idOfKey('trusted') }, 'idp', 'REVOCATION_NEEDS_ROOT'],
  ['an artifact', { kind: 'artifact', id: A }, 'idp', undefined],
])('a revocation of %s is taken or not: %o by %s %s', async (_name, what, as, refused) => {
  const reply = await (await projectOf('ada')).revoke(what, { as });
  expect(reply.kind === 'error' ? reply.code : undefined).toBe(refused);
});

it('a revocation is from a leaf that the log has, or from the next one', async () => {
  const bench = await projectOf('ada');
  const { size } = bench.controller.state.log;
  const from = (since: number) => bench.revoke({ kind: 'operator', id: 'ada' }, { since });
  expect(await from(size + 1)).toMatchObject({ code: 'REVOCATION_SINCE_AHEAD' });
  expect(await from(size)).toMatchObject({ kind: 'revoked', index: size });
  // Said again it is the same.
  expect(await from(size)).toMatchObject({ kind: 'revoked', index: size });
  expect(bench.controller.state.log.size).toBe(size + 1);
});
