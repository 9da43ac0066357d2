import { type Observe, Violation } from '../observer.ts';

/**
 * With an identity provider apart only a ticket's holder gets grants as its operator, stays a member through crashes, and gets
 * none once revoked.
 */
export function grants(): Observe {
  const members = new Set<string>();
  const revoked = new Set<string>();
  return (seen, truth) => {
    if (seen.kind === 'idp-restarted') {
      const lost = [...members].find((key) => !seen.members.includes(key));
      if (lost !== undefined) throw new Violation(`${truth.personOf(lost)} is no member any more`);
    }
    if (seen.kind !== 'idp-handled') return;
    const { event, effects } = seen;
    if (event.kind === 'revoked') revoked.add(event.revocation.payload.what.id);
    for (const { reply } of effects) {
      if (reply.kind !== 'grant') continue;
      const { sub, operator, role } = reply.grant;
      const publisher = role === 'publisher' && sub === truth.keys.signer('publisher').id;
      if (!publisher && truth.personOf(sub) !== operator)
        throw new Violation(`${sub} got a grant as ${operator}, who did not bring it`);
      if (role === 'worker' && revoked.has(operator))
        throw new Violation(`${operator} got a grant after it was revoked`);
      members.add(sub);
    }
  };
}
