import type { IdpEffect, IdpEvent } from '../src/idp/machine/events.ts';
import { IdentityProvider } from '../src/idp/machine/machine.ts';
import type { Handled } from '../src/protocol/base/durability.ts';
import type { Patches } from './world.ts';

/** Forgets who joined with which ticket. */
class Uncounting extends IdentityProvider {
  override handle(event: IdpEvent, now: number): Handled<IdpEffect> {
    this.state.invites.clear();
    return super.handle(event, now);
  }
}

/** Writes its events and does not wait until they are on disk. */
class Unsynced extends IdentityProvider {
  override handle(event: IdpEvent, now: number): Handled<IdpEffect> {
    const handled = super.handle(event, now);
    return handled.durability === 'sync' ? { ...handled, durability: 'lazy' } : handled;
  }
}

/** Keeps revocations and goes by none. */
class Unrevoking extends IdentityProvider {
  override handle(event: IdpEvent, now: number): Handled<IdpEffect> {
    const { revocations } = this.state;
    this.state.revocations = new Map();
    const handled = super.handle(event, now);
    this.state.revocations = new Map([...revocations, ...this.state.revocations]);
    return handled;
  }
}

/** Takes an invite for the ticket that it is in. */
class Credulous extends IdentityProvider {
  override handle(event: IdpEvent, now: number): Handled<IdpEffect> {
    if (event.kind !== 'grant' || event.invite === undefined) return super.handle(event, now);
    const { holder: _, ...payload } = event.invite.payload;
    return super.handle({ ...event, invite: { ...event.invite, payload } }, now);
  }
}

/** Mistakes of an identity provider apart. */
export const idpBugs = {
  'tickets-used-again': {
    says: 'the identity provider apart does not count who joined with a ticket: somebody with the controller uses it again',
    caughtBy: 'grants',
    scenario: { idp: 'apart' as const },
    patches: (): Patches => ({ idp: (key) => new Uncounting(key) }),
  },
  'invite-is-ticket': {
    says: 'the identity provider apart admits who shows an invite: somebody with the controller joins in the place of who sent it',
    caughtBy: 'grants',
    scenario: { idp: 'apart' as const },
    patches: (): Patches => ({ idp: (key) => new Credulous(key) }),
  },
  'members-unsynced': {
    says: 'the identity provider gives a grant before it has the member on disk, and loses it in a power cut',
    caughtBy: 'grants',
    scenario: { idp: 'apart' as const },
    rates: { crashPerMinute: 2, powerCutPerCrash: 1 },
    patches: (): Patches => ({ idp: (key) => new Unsynced(key) }),
  },
  'revoked-go-on-apart': {
    says: 'the identity provider apart takes a revocation and gives grants all the same',
    caughtBy: 'grants',
    scenario: { idp: 'apart' as const, revokes: { operator: 'op1', afterMs: 20_000, ever: false } },
    patches: (): Patches => ({ idp: (key) => new Unrevoking(key) }),
  },
};
