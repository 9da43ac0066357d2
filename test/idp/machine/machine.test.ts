import { describe, expect, it } from 'vitest';
import { standIn } from '../../../simulations/keys.ts';
import { epochMs, Paperwork } from '../../../simulations/paperwork.ts';
import type { IdpEvent, IdpReply } from '../../../src/idp/machine/events.ts';
import { IdentityProvider } from '../../../src/idp/machine/machine.ts';
import { UnknownKind } from '../../../src/protocol/base/errors.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import {
  type Invite,
  type Possession,
  type Role,
  type Signer,
  signMessage,
  type Verified,
} from '../../../src/protocol/documents/index.ts';

const dayMs = 24 * 3600_000;

interface Asked {
  invite?: Verified<Invite>;
  possession?: Verified<Possession> | undefined;
  enrolled?: number;
  at?: number;
  by?: string;
}

/** An identity provider of the simulations' project, and those who ask it through the controller. */
class Desk {
  readonly paper = new Paperwork(standIn);
  machine = new IdentityProvider(this.paper.idp.id);
  readonly journal: { event: IdpEvent; now: number }[] = [];
  now = epochMs;
  durability = '';
  rules = IdentityProvider.rules;

  static async open(grantMs = dayMs): Promise<Desk> {
    const desk = new Desk();
    desk.tell({ kind: 'started', charter: await desk.paper.charter(), key: desk.paper.idp.id, grantMs });
    return desk;
  }

  tell(event: IdpEvent): IdpReply | undefined {
    const { effects, durability } = this.machine.handle(event, this.now, this.rules);
    this.durability = durability;
    if (durability !== 'none') this.journal.push({ event, now: this.now });
    return effects[0]?.reply;
  }

  ticket(
    operator: string,
    over: { role?: Role; hosts?: number; key?: string; jti?: string } = {},
  ): Promise<Verified<Invite>> {
    const { role = 'worker', ...more } = over;
    return this.paper.invite(operator, role, this.now, more);
  }

  async ask(
    key: string,
    { invite, possession, enrolled = 5, at, by = this.paper.controller.id }: Asked = {},
  ): Promise<IdpReply | undefined> {
    const enrol = await this.paper.enrol(key, this.now, invite?.payload.jti);
    const use = {
      ...(invite && { invite }),
      ...(possession && { possession }),
      ...(at !== undefined && { at }),
    };
    return this.tell({ kind: 'grant', token: 't', by, enrol, enrolled, ...use });
  }

  async revoke(kind: 'operator' | 'key', id: string): Promise<void> {
    this.tell({ kind: 'revoked', revocation: await this.paper.revocation({ kind, id }, 5, this.now) });
  }
}

const refused = (code: string) => expect.objectContaining({ kind: 'error', code });

describe('an identity provider apart', () => {
  it('gives a grant to who brings a ticket, and others to the same key without it', async () => {
    const desk = await Desk.open(3600_000);
    const invite = await desk.ticket('ada');
    const joined = await desk.ask('ada', { invite });
    expect(joined).toMatchObject({
      kind: 'grant',
      grant: { iss: desk.paper.idp.id, operator: 'ada', role: 'worker', enrolled: 5 },
    });
    expect(desk.durability).toBe('sync');
    desk.now += 1800_000;
    const renewed = await desk.ask('ada');
    const iat = desk.now / 1000;
    expect(renewed).toMatchObject({ kind: 'grant', grant: { operator: 'ada', iat, exp: iat + 3600 } });
    expect(desk.durability).toBe('none');
    // A member that lost the answer asks with its ticket once more.
    expect(await desk.ask('ada', { invite })).toMatchObject({ kind: 'grant' });
  });

  it('gives as many keys the vote of one operator as its ticket is for', async () => {
    const desk = await Desk.open();
    const invite = await desk.ticket('ada', { hosts: 2 });
    for (const key of ['ada 1', 'ada 2'])
      expect(await desk.ask(key, { invite })).toMatchObject({ kind: 'grant', grant: { operator: 'ada' } });
    expect(await desk.ask('ada 3', { invite })).toEqual(refused('TICKET_EXHAUSTED'));
    expect(await desk.ask('ada 3')).toEqual(refused('KEY_NOT_ENROLLED'));
  });

  it('keeps the first log index that it was told of an operator, for all its keys', async () => {
    const desk = await Desk.open();
    const invite = await desk.ticket('ada', { hosts: 2 });
    await desk.ask('ada 1', { invite, enrolled: 7 });
    expect(await desk.ask('ada 1', { enrolled: 2 })).toEqual(refused('IDP_ENROLMENT_DIFFERS'));
    expect(await desk.ask('ada 2', { invite, enrolled: 2 })).toEqual(refused('IDP_ENROLMENT_DIFFERS'));
    expect(await desk.ask('ada 2', { invite, enrolled: 7 })).toMatchObject({ kind: 'grant' });
  });

  it('answers the controllers of the charter and nobody else', async () => {
    const desk = await Desk.open();
    const invite = await desk.ticket('ada');
    const by = standIn.signer('a stranger').id;
    expect(await desk.ask('ada', { invite, by })).toEqual(refused('IDP_CONTROLLER_UNKNOWN'));
    const charter = await desk.paper.next('controller');
    desk.tell({ kind: 'charter', charter });
    expect(await desk.ask('ada', { invite })).toMatchObject({ kind: 'grant' });
    const [before] = desk.paper.controllers;
    expect(await desk.ask('ada', { by: before?.id ?? '' })).toEqual(refused('IDP_CONTROLLER_UNKNOWN'));
  });

  const mine = standIn.signer('ada').id;
  const refusals: [string, string, { later?: number; key?: string; role?: Role; forged?: true }][] = [
    ['a ticket that another key signed', 'TICKET_ISSUER_MISMATCH', { forged: true }],
    ['a ticket that has ended', 'DOC_EXPIRED', { later: 2 * dayMs }],
    ['a ticket for another key', 'TICKET_KEY_MISMATCH', { key: standIn.signer('bob').id }],
    [
      'a trusted worker that the charter does not name',
      'TRUSTED_KEY_NOT_IN_CHARTER',
      { role: 'trusted-worker', key: mine },
    ],
  ];
  it.each(refusals)('refuses %s', async (_, code, { later = 0, forged, ...over }) => {
    const desk = await Desk.open();
    const invite = await desk.ticket('ada', over);
    desk.now += later;
    const shown = forged ? { ...invite, signer: desk.paper.controller.id } : invite;
    expect(await desk.ask('ada', { invite: shown })).toEqual(refused(code));
  });

  it('admits who has the ticket itself, and nobody who has seen its invite', async () => {
    const desk = await Desk.open();
    const invite = await desk.paper.invite('ada', 'worker', desk.now, { held: true });
    const holder = desk.paper.keyOfTicket(invite.payload.jti);
    const proof = async (key: string, by: Signer, over: Partial<Possession> = {}) => {
      const [iat, { jti }] = [desk.now / 1000, invite.payload];
      const payload = {
        iss: by.id,
        project: desk.paper.project,
        invite: jti,
        sub: standIn.signer(key).id,
        iat,
        exp: iat + 300,
      };
      return signMessage('possession', { ...payload, ...over }, by);
    };
    const mine = await proof('ada', holder);
    for (const [key, possession] of [
      ['eve', undefined],
      ['eve', mine],
      ['eve', await proof('eve', standIn.signer('eve'))],
      ['ada', await proof('ada', holder, { invite: 'another'.padEnd(32, '0') })],
      ['ada', await proof('ada', holder, { project: standIn.signer('eve').id })],
    ] as const)
      expect(await desk.ask(key, { invite, possession })).toEqual(refused('TICKET_NOT_HELD'));
    expect(await desk.ask('ada', { invite, possession: mine })).toMatchObject({ kind: 'grant' });
    desk.now += 3600_000;
    const old = await desk.ask('ada', { invite, possession: mine });
    expect(old).toEqual(refused('DOC_EXPIRED'));
  });

  it('gives none to who was revoked, by name or by key', async () => {
    const desk = await Desk.open();
    for (const name of ['ada', 'bob']) await desk.ask(name, { invite: await desk.ticket(name) });
    await desk.revoke('operator', 'ada');
    await desk.revoke('key', standIn.signer('bob').id);
    expect(await desk.ask('ada')).toEqual(refused('OPERATOR_REVOKED'));
    expect(await desk.ask('bob')).toEqual(refused('KEY_REVOKED'));
    const again = await desk.ticket('ada', { hosts: 2 });
    expect(await desk.ask('ada elsewhere', { invite: again })).toEqual(refused('OPERATOR_REVOKED'));
  });

  it('goes by no revocation of a key that the root ended, but for what stays', async () => {
    const desk = await Desk.open();
    for (const name of ['ada', 'bob']) await desk.ask(name, { invite: await desk.ticket(name) });
    await desk.revoke('operator', 'ada');
    await desk.revoke('operator', 'bob');
    const [, ours = ''] = [...desk.machine.state.revocations.keys()];
    const what = { kind: 'key', id: desk.paper.idp.id } as const;
    const end = await desk.paper.revocation(what, 6, desk.now, { as: 'root', keeps: [ours] });
    desk.tell({ kind: 'revoked', revocation: end });
    expect(desk.durability).toBe('sync');
    expect(await desk.ask('ada')).toMatchObject({ kind: 'grant' });
    expect(await desk.ask('bob')).toEqual(refused('OPERATOR_REVOKED'));
  });

  /** A thief of its key, who joins from leaf 8 on, also as ada; and what is given to whom after that key is ended. */
  async function stolen(rules: number) {
    const desk = await Desk.open();
    desk.rules = rules;
    const joined: [string, string, number, number][] = [
      ['ada', 'ada', 5, 5],
      ['ada 2', 'ada', 5, 8],
      ['mallory', 'mallory', 8, 8],
      ['thief', 'ada', 5, 9],
    ];
    for (const [key, operator, enrolled, at] of joined)
      await desk.ask(key, { invite: await desk.ticket(operator, { hosts: 3 }), enrolled, at });
    const what = { kind: 'key', id: desk.paper.idp.id } as const;
    const end = await desk.paper.revocation(what, 8, desk.now, { as: 'root' });
    desk.tell({ kind: 'revoked', revocation: end });
    const codeOf = (reply: IdpReply | undefined) => (reply?.kind === 'error' ? reply.code : reply?.kind);
    const codes = [];
    for (const [key, , enrolled] of joined) codes.push(codeOf(await desk.ask(key, { enrolled })));
    const sessions = ['ada', 'thief'].map((key) =>
      desk.machine.isRevoked({ sub: standIn.signer(key).id, operator: 'ada', role: 'worker' }),
    );
    desk.tell({ kind: 'charter', charter: await desk.paper.next('idp at once') });
    const again = await desk.ticket('mallory', { hosts: 2 });
    codes.push(codeOf(await desk.ask('mallory', { invite: again, enrolled: 8, at: 20 })));
    return { desk, codes, sessions };
  }

  it('dismisses who joined with a ticket of a key that was somebody else’s then, until they have one of the next', async () => {
    const { codes, sessions } = await stolen(IdentityProvider.rules);
    expect(codes).toEqual(['grant', 'grant', 'KEY_NOT_ENROLLED', 'KEY_NOT_ENROLLED', 'grant']);
    expect(sessions).toEqual([false, true]);
    // Control: as under the rules before.
    expect((await stolen(2)).codes).toEqual(['grant', 'grant', 'grant', 'grant', 'grant']);
  });

  it('goes by what it was told later of when a key joined where the controller did not say it', async () => {
    const desk = await Desk.open();
    const invite = await desk.ticket('ada', { hosts: 2 });
    await desk.ask('ada', { invite, enrolled: 5 });
    await desk.ask('bob', { invite: await desk.ticket('bob'), enrolled: 12 });
    await desk.ask('thief', { invite, enrolled: 5 });
    const what = { kind: 'key', id: desk.paper.idp.id } as const;
    desk.tell({
      kind: 'revoked',
      revocation: await desk.paper.revocation(what, 11, desk.now, { as: 'root' }),
    });
    expect(await desk.ask('ada')).toMatchObject({ kind: 'grant' });
    expect(await desk.ask('thief')).toEqual(refused('KEY_NOT_ENROLLED'));
  });

  it('takes so many tickets of one key, and then no more until the next', async () => {
    const desk = await Desk.open();
    desk.machine.state.tickets.set(desk.paper.idp.id, limits.ticketsOfKeyMax - 1);
    expect(await desk.ask('ada', { invite: await desk.ticket('ada') })).toMatchObject({ kind: 'grant' });
    expect(await desk.ask('bob', { invite: await desk.ticket('bob') })).toEqual(refused('TICKETS_FULL'));
    // Nor one with the name of another that was used.
    const { jti } = (await desk.ticket('ada')).payload;
    const same = await desk.ticket('bob', { hosts: 9, jti });
    expect(await desk.ask('bob', { invite: same })).toEqual(refused('TICKETS_FULL'));
    // Control: as under the rules before.
    desk.rules = 2;
    expect(await desk.ask('bob', { invite: await desk.ticket('bob') })).toMatchObject({ kind: 'grant' });
    desk.rules = IdentityProvider.rules;
    desk.tell({ kind: 'charter', charter: await desk.paper.next('idp at once') });
    expect(await desk.ask('cy', { invite: await desk.ticket('cy') })).toMatchObject({ kind: 'grant' });
  });

  it('has so many hosts join with tickets of one key, and then no more', async () => {
    const desk = await Desk.open();
    desk.machine.state.joins.set(desk.paper.idp.id, limits.joinsOfKeyMax - 1);
    const invite = await desk.ticket('ada', { hosts: 9 });
    expect(await desk.ask('ada', { invite })).toMatchObject({ kind: 'grant' });
    expect(await desk.ask('second host', { invite })).toEqual(refused('TICKETS_FULL'));
    expect(await desk.ask('ada', { invite })).toMatchObject({ kind: 'grant' });
    desk.rules = 2;
    expect(await desk.ask('second host', { invite })).toMatchObject({ kind: 'grant' });
  });

  it('takes the root’s revocations where another key has signed as many as it may', async () => {
    const desk = await Desk.open();
    await desk.ask('ada', { invite: await desk.ticket('ada') });
    for (let n = 0; n <= limits.revocationsMax; n++) await desk.revoke('operator', `nobody-${n}`);
    expect(desk.durability).toBe('none');
    const what = { kind: 'operator', id: 'ada' } as const;
    const revocation = await desk.paper.revocation(what, 5, desk.now, { as: 'root' });
    desk.tell({ kind: 'revoked', revocation });
    expect(await desk.ask('ada')).toEqual(refused('OPERATOR_REVOKED'));
  });

  it('takes no revocation of a key that the charter names, unless the root signed it, of another project, and no charter of before', async () => {
    const desk = await Desk.open();
    const what = { kind: 'key', id: desk.paper.controller.id } as const;
    desk.tell({ kind: 'revoked', revocation: await desk.paper.revocation(what, 0, desk.now) });
    expect(desk.durability).toBe('none');
    const elsewhere = { as: 'root', project: standIn.signer('eve').id };
    desk.tell({ kind: 'revoked', revocation: await desk.paper.revocation(what, 0, desk.now, elsewhere) });
    expect(desk.durability).toBe('none');
    desk.tell({ kind: 'charter', charter: await desk.paper.charter() });
    expect(desk.durability).toBe('none');
  });

  it('answers nobody who did not ask, and says with a refusal what to do', async () => {
    const desk = await Desk.open();
    const what = { kind: 'key', id: desk.paper.controller.id } as const;
    const revocation = await desk.paper.revocation(what, 0, desk.now);
    expect(desk.machine.handle({ kind: 'revoked', revocation }, desk.now)).toEqual({
      effects: [],
      durability: 'none',
    });
    expect(() => desk.machine.handle({ kind: 'of tomorrow' } as unknown as IdpEvent, desk.now)).toThrow(
      UnknownKind,
    );
    await desk.ask('ada', { invite: await desk.ticket('ada') });
    expect(await desk.ask('ada', { enrolled: 6 })).toMatchObject({
      hint: expect.stringMatching(/^Either the log/),
    });
    expect(await desk.ask('ada', { by: 'eve' })).not.toHaveProperty('hint');
  });

  it('records who was admitted, and no grant that is given again', async () => {
    const desk = await Desk.open();
    const invite = await desk.ticket('ada');
    const enrol = await desk.paper.enrol('ada', desk.now, invite.payload.jti);
    const asked = { kind: 'grant', token: 't', by: desk.paper.controller.id, enrol, enrolled: 5 } as const;
    const { record } = desk.machine.handle({ ...asked, invite }, desk.now);
    expect(JSON.parse(record ?? '')).toEqual({
      sub: enrol.signer,
      operator: 'ada',
      role: 'worker',
      enrolled: 5,
    });
    expect(desk.machine.handle(asked, desk.now)).not.toHaveProperty('record');
    // One that was made long ago, or for another project.
    for (const [at, code] of [
      [desk.now + 2 * dayMs, 'DOC_EXPIRED'],
      [desk.now - 2 * dayMs, 'DOC_FROM_FUTURE'],
    ] as const)
      expect(desk.machine.handle(asked, at).effects[0]?.reply).toEqual(refused(code));
  });

  it('changes nothing where it refuses to admit somebody', async () => {
    const desk = await Desk.open();
    const admitted = () => structuredClone({ ...desk.machine.state, charter: null, revocations: null });
    await desk.ask('ada', { invite: await desk.ticket('ada', { hosts: 2 }) });
    // Neither as another operator nor at another leaf, nor who was revoked.
    const known = admitted();
    expect(await desk.ask('ada', { invite: await desk.ticket('bob') })).toMatchObject({ kind: 'error' });
    expect(await desk.ask('ada 2', { invite: await desk.ticket('ada'), enrolled: 9 })).toEqual(
      refused('IDP_ENROLMENT_DIFFERS'),
    );
    await desk.revoke('operator', 'cyd');
    expect(await desk.ask('cyd', { invite: await desk.ticket('cyd') })).toEqual(refused('OPERATOR_REVOKED'));
    expect(admitted()).toEqual(known);
  });

  it('takes each revocation once, and none of a name for that of a key', async () => {
    const desk = await Desk.open();
    expect(new IdentityProvider('a').revoked({ sub: 'a', operator: 'ada', role: 'worker' })).toBeUndefined();
    await desk.ask('ada', { invite: await desk.ticket('ada') });
    const what = { kind: 'operator', id: desk.paper.idp.id } as const;
    const revocation = await desk.paper.revocation(what, 0, desk.now, { as: 'root' });
    for (const durability of ['sync', 'none']) {
      desk.tell({ kind: 'revoked', revocation });
      expect(desk.durability).toBe(durability);
    }
    expect(await desk.ask('ada')).toMatchObject({ kind: 'grant' });
  });

  it('signs nothing before it has a charter', async () => {
    const desk = new Desk();
    expect(await desk.ask('ada')).toEqual(refused('IDP_NOT_STARTED'));
    expect(desk.durability).toBe('none');
  });

  it('comes to the same state from its journal', async () => {
    const desk = await Desk.open();
    for (const name of ['ada', 'bob']) await desk.ask(name, { invite: await desk.ticket(name) });
    await desk.revoke('operator', 'ada');
    desk.tell({ kind: 'charter', charter: await desk.paper.next('idp') });
    const again = new IdentityProvider(desk.paper.idps.at(-1)?.id ?? '');
    for (const { event, now } of desk.journal) again.handle(event, now);
    expect(again.state).toEqual(desk.machine.state);
    for (const rules of [2, IdentityProvider.rules]) {
      const { desk: before } = await stolen(rules);
      const replayed = new IdentityProvider(before.paper.idps[0]?.id ?? '');
      for (const { event, now } of before.journal) replayed.handle(event, now, rules);
      expect(replayed.state).toEqual(before.machine.state);
    }
  });
});
