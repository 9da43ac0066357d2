import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import { identityLimits } from '../../../src/identity/limits.ts';
import { Bench, projectOf } from './bench.ts';

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
