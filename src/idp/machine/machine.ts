import type { Durability, Handled } from '../../protocol/base/durability.ts';
import { QuorateError, unreachable } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import type { Charter, Grant, Role, Verified } from '../../protocol/documents/index.ts';
import {
  checkEnrol,
  checkJoins,
  checkRevocation,
  checkRoom,
  checkSameMember,
  checkTicket,
  checkTickets,
  checkTrusted,
  enforce,
  grantTimes,
  type TicketUse,
  unknownKey,
} from '../../protocol/judge/index.ts';
import { sayFull } from '../../protocol/trust/key-texts.ts';
import {
  memberRevokedAt,
  type Revoked,
  revokedBy,
  revokedError,
  revokedUnder,
} from '../../protocol/trust/revocations.ts';
import type { IdpEffect, IdpEvent } from './events.ts';

type EventOf<K extends IdpEvent['kind']> = Extract<IdpEvent, { kind: K }>;

/** A key that joined with a ticket. It renews as long as the project lasts, unless it is revoked or dismissed. */
interface Member {
  operator: string;
  role: Role;
  /** The log index that the first grant of its operator in this role named. */
  enrolled: number;
  /** The key that signed its ticket, and the size of the log then: at least, where the controller did not say it. */
  by: string;
  at: number;
}

const newState = (key: string) => ({
  key,
  charter: null as Verified<Charter> | null,
  grantMs: limits.grantSecondsMax * 1000,
  /** Keys that joined, by the `jti` of their ticket. */
  invites: new Map<string, string[]>(),
  members: new Map<string, Member>(),
  /** The log index of the first enrolment, by role and operator. */
  operators: new Map<string, number>(),
  /** Tickets that were used, by the key that signed them. */
  tickets: new Map<string, number>(),
  /** How often somebody joined with one of them. */
  joins: new Map<string, number>(),
  /** The largest log index that a controller named. */
  heard: 0,
  revocations: new Map<string, Revoked>(),
});

/**
 * State and rules of an identity provider that runs apart from the controller, without I/O. It signs grants on evidence
 * that it has seen itself: tickets of its own keys, enrolments signed by those who join, revocations. The one thing it takes
 * from a controller unproven is the log index of an operator's first enrolment, once. A refused event changes nothing and is
 * answered with its code.
 *
 * An `IdentityProvider` has two kinds of methods:
 *
 * - A. The event handler `handle(event, now)`: returns effects, and how durable the event must be before they are carried out.
 * - B. Queries, which change nothing: `isRevoked`, `revoked`. `nextDeadline` is always undefined: no event waits for time to pass.
 *
 * Order of calls (`Loop` keeps it): replay the journal with A and drop the effects; then for each event: A, the journal, its effects.
 */
export class IdentityProvider {
  /** Grows with every change of what comes of an event, and of the shape of events. */
  static readonly rules = 3;
  readonly state: ReturnType<typeof newState>;

  constructor(key: string) {
    this.state = newState(key);
  }

  handle(event: IdpEvent, now: number, rules = IdentityProvider.rules): Handled<IdpEffect> {
    try {
      return this.#handle(event, now, rules);
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error;
      if (!('token' in event)) return { effects: [], durability: 'none' };
      const { code, message, hint } = error;
      const reply = { kind: 'error' as const, code, message, ...(hint === undefined ? {} : { hint }) };
      return { effects: [{ kind: 'reply', token: event.token, reply }], durability: 'none' };
    }
  }

  nextDeadline(): undefined {
    return undefined;
  }

  /** Whether the holder of a grant may not act any more: it or its operator was revoked, or it is dismissed. */
  isRevoked(grant: Pick<Grant, 'sub' | 'operator' | 'role'>): boolean {
    return this.revoked(grant) !== undefined || this.#isDismissed(this.state.members.get(grant.sub));
  }

  /**
   * Whether a key joined with a ticket of a key that was not its owner's then. A further key of an operator leaves no leaf: at the very index from
   * which the key was ended it stays, as it may have joined just before the end. The controller, which knows the leaf of that end, is stricter.
   */
  #isDismissed(member: Member | undefined): boolean {
    if (member === undefined) return false;
    const { by, at, enrolled } = member;
    const last = at === enrolled ? at : at - 1;
    for (const { what, since, byRoot } of this.state.revocations.values())
      if (byRoot && what.kind === 'key' && what.id === by && since <= last) return true;
    return false;
  }

  /** The revocation for which a member may not act any more. */
  revoked(member: Pick<Grant, 'sub' | 'operator' | 'role'>): Revoked | undefined {
    const { charter, revocations } = this.state;
    if (charter === null) return undefined;
    const all = [...revocations.values()];
    // The largest index: every revocation starts at a leaf that exists, which is before now.
    return memberRevokedAt(revokedUnder(all, charter.payload), member, Number.MAX_SAFE_INTEGER);
  }

  #handle(event: IdpEvent, now: number, rules: number): Handled<IdpEffect> {
    switch (event.kind) {
      case 'started':
        this.state.key = event.key;
        this.state.grantMs = event.grantMs;
        this.#takeCharter(event.charter);
        return { effects: [], durability: 'sync' };
      case 'charter':
        return { effects: [], durability: this.#takeCharter(event.charter) ? 'sync' : 'none' };
      case 'grant':
        return this.#grant(event, now, rules);
      case 'revoked':
        return { effects: [], durability: this.#revoke(event) };
      default:
        return unreachable(event, 'event of the identity provider');
    }
  }

  #takeCharter(charter: Verified<Charter>): boolean {
    const { charter: before } = this.state;
    if (before !== null && charter.payload.epoch <= before.payload.epoch) return false;
    this.state.charter = charter;
    return true;
  }

  get #charter(): Charter {
    const { charter } = this.state;
    if (charter === null)
      throw new QuorateError('IDP_NOT_STARTED', 'the identity provider has no charter yet');
    return charter.payload;
  }

  #grant(event: EventOf<'grant'>, now: number, rules: number): Handled<IdpEffect> {
    const { token, by, enrol, invite, possession, enrolled } = event;
    const charter = this.#charter;
    if (!charter.controllers.includes(by))
      throw new QuorateError(
        'IDP_CONTROLLER_UNKNOWN',
        `the charter does not name ${by} as a controller; grants are signed for those that it names`,
      );
    checkEnrol(enrol.payload, charter, now);
    const durability =
      invite === undefined ? 'none' : this.#enrol({ enrol, invite, possession }, event, now, rules);
    const member = this.state.members.get(enrol.signer);
    if (member === undefined) throw unknownKey(enrol.signer);
    this.#checkMember(enrol.signer, member, enrolled, rules);
    const { operator, role, enrolled: first } = member;
    const grant: Grant = {
      iss: this.state.key,
      sub: enrol.signer,
      project: charter.project,
      operator,
      role,
      enrolled: first,
      jti: enrol.payload.jti,
      ...grantTimes(now, this.state.grantMs),
    };
    return {
      effects: [{ kind: 'reply', token, reply: { kind: 'grant', grant } }],
      durability,
      ...(durability === 'sync' && {
        record: JSON.stringify({ sub: enrol.signer, operator, role, enrolled: first }),
      }),
    };
  }

  /** Admits a key, where it has not joined with this ticket yet. */
  #enrol(
    use: TicketUse,
    { enrolled, at }: Pick<EventOf<'grant'>, 'enrolled' | 'at'>,
    now: number,
    rules: number,
  ): Durability {
    const { enrol, invite } = use;
    const { invites, members, operators, tickets, joins } = this.state;
    checkTicket(use, this.#charter, now);
    const { operator, role, jti } = invite.payload;
    const key = enrol.signer;
    const before = members.get(key);
    const known = rules >= 3 && this.#isDismissed(before) ? undefined : before;
    const heard = Math.max(this.state.heard, enrolled, at ?? 0);
    checkSameMember(key, known, invite.payload);
    const first = operators.get(`${role} ${operator}`) ?? enrolled;
    const member = known ?? { operator, role, enrolled: first, by: invite.signer, at: at ?? heard };
    this.#checkMember(key, member, enrolled, rules);
    const joined = invites.get(jti) ?? [];
    if (joined.includes(key) && known !== undefined) return 'none';
    if (!joined.includes(key)) checkRoom(invite.payload, joined);
    const used = tickets.get(invite.signer) ?? 0;
    // A thief of the signing key chooses `jti`, so that two tickets may share one.
    const isFirst = joined.length === 0 || !operators.has(`${role} ${operator}`);
    if (isFirst && rules >= 3) checkTickets(invite.signer, used);
    const joinsBefore = joins.get(invite.signer) ?? 0;
    if (rules >= 3) checkJoins(invite.signer, joinsBefore);
    if (isFirst) tickets.set(invite.signer, used + 1);
    joins.set(invite.signer, joinsBefore + 1);
    this.state.heard = heard;
    invites.set(jti, [...new Set([...joined, key])]);
    members.set(key, member);
    operators.set(`${role} ${operator}`, member.enrolled);
    return 'sync';
  }

  #checkMember(key: string, member: Member, enrolled: number, rules: number): void {
    const charter = this.#charter;
    if (member.role === 'trusted-worker') checkTrusted(charter.trusted, key);
    const revoked = this.revoked({ sub: key, ...member });
    if (revoked !== undefined) throw revokedError(revoked);
    if (rules >= 3 && this.#isDismissed(member)) throw unknownKey(key);
    if (member.enrolled !== enrolled)
      throw new QuorateError(
        'IDP_ENROLMENT_DIFFERS',
        `${member.operator} was first enrolled at leaf ${member.enrolled} of the log, as the controller said then; now it says ${enrolled}`,
        { hint: 'Either the log was put back to an older state, or somebody else has the controller.' },
      );
  }

  #revoke({ revocation }: EventOf<'revoked'>): Durability {
    const { revocations } = this.state;
    const { id, signer } = revocation;
    if (revocations.has(id)) return 'none';
    checkRevocation(enforce, revocation, this.#charter);
    // The bound is per key, so that a stolen key cannot keep out revocations of the root.
    const max = signer === this.#charter.project ? limits.rootRevocationsMax : limits.revocationsMax;
    let count = 0;
    for (const { document } of revocations.values()) if (document?.signer === signer) count++;
    if (count >= max) throw new QuorateError('REVOCATIONS_FULL', sayFull(signer));
    revocations.set(id, revokedBy(revocation));
    return 'sync';
  }
}
