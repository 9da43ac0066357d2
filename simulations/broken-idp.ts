import type { IdpEffect, IdpEvent } from '../src/idp/machine/events.ts';
import { IdentityProvider } from '../src/idp/machine/machine.ts';
import type { Handled } from '../src/protocol/base/durability.ts';
import type { Patches } from './world.ts';

type Handle = (event: IdpEvent, now: number) => Handled<IdpEffect>;

const breakingIdp =
  (wrong: (idp: IdentityProvider, handle: Handle) => Handle): (() => Patches) =>
  () => ({
    idp: (key) => {
      const idp = new IdentityProvider(key);
      return Object.assign(idp, { handle: wrong(idp, idp.handle.bind(idp)) });
    },
  });

/** Mistakes of an identity provider apart. */
export const idpBugs = {
  'tickets-used-again': {
    says: 'the identity provider apart does not count who joined with a ticket: somebody with the controller uses it again',
    caughtBy: 'grants',
    scenario: { idp: 'apart' as const },
    patches: breakingIdp(({ state }, handle) => (event, now) => {
      state.invites.clear();
      return handle(event, now);
    }),
  },
  'invite-is-ticket': {
    says: 'the identity provider apart admits who shows an invite: somebody with the controller joins in the place of who sent it',
    caughtBy: 'grants',
    scenario: { idp: 'apart' as const },
    patches: breakingIdp((_, handle) => (event, now) => {
      if (event.kind !== 'grant' || event.invite === undefined) return handle(event, now);
      const { holder: _holder, ...payload } = event.invite.payload;
      return handle({ ...event, invite: { ...event.invite, payload } }, now);
    }),
  },
  'members-unsynced': {
    says: 'the identity provider gives a grant before it has the member on disk, and loses it in a power cut',
    caughtBy: 'grants',
    scenario: { idp: 'apart' as const },
    rates: { crashPerMinute: 2, powerCutPerCrash: 1 },
    patches: breakingIdp((_, handle) => (event, now) => {
      const handled = handle(event, now);
      return handled.durability === 'sync' ? { ...handled, durability: 'lazy' } : handled;
    }),
  },
  'revoked-go-on-apart': {
    says: 'the identity provider apart takes a revocation and gives grants all the same',
    caughtBy: 'grants',
    scenario: { idp: 'apart' as const, revokes: { operator: 'op1', afterMs: 20_000, ever: false } },
    patches: breakingIdp(({ state }, handle) => (event, now) => {
      const { revocations } = state;
      state.revocations = new Map();
      const handled = handle(event, now);
      state.revocations = new Map([...revocations, ...state.revocations]);
      return handled;
    }),
  },
};
