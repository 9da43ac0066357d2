import { breaking, breakingAfter } from './broken-controller.ts';
import { busy } from './busy.ts';
import { calm } from './rates.ts';
import type { Scenario } from './scenario.ts';

/** A key is stolen while jobs are built, and ended a minute later. */
const scenario: Partial<Scenario> = {
  ...busy,
  revokes: { operator: 'cleo', afterMs: 40_000, ever: false },
  theft: { afterMs: 60_000, endsAfterMs: 60_000, revokes: 'ada', poses: 'ben' },
};

/** The thief revokes one of two operators whose job was done before. */
const revokedLater: Partial<Scenario> = {
  ...busy,
  operators: busy.operators.slice(0, 2),
  works: (busy.works ?? [])
    .slice(0, 1)
    .map((work) => ({ ...work, policy: { agree: 2, of: 2, cosign: 'required', rounds: 1 } })),
  theft: { afterMs: 120_000, endsAfterMs: 60_000, revokes: 'ada', poses: 'ben' },
};

/** Mistakes with the end of an identity provider's key. */
export const stolenKeyBugs = {
  'thieves-stay': {
    says: 'who joined with a ticket of a stolen key stays a member when the root ends the key from before then',
    caughtBy: 'ended keys',
    rates: calm,
    scenario,
    patches: breakingAfter(({ state }) => {
      for (const [key, member] of state.keys) if (member.at > 0) state.keys.set(key, { ...member, at: 0 });
    }),
  },
  'keeps-forgotten': {
    says: "of a key that the root ended no revocation counts any more, the owner's of before neither",
    caughtBy: 'revoked',
    rates: calm,
    scenario,
    patches: breaking((_, handle) => (event, now) => {
      if (event.kind !== 'revoke') return handle(event, now);
      const { keeps: _keeps, ...payload } = event.revocation.payload;
      return handle({ ...event, revocation: { ...event.revocation, payload } }, now);
    }),
  },
  'thieves-revoke': {
    says: 'a key that the root ended goes on revoking: what it voided stays void',
    caughtBy: 'revoked',
    rates: calm,
    scenario: revokedLater,
    patches: breakingAfter(({ state }) => {
      state.endsKeys = false;
    }),
  },
};
