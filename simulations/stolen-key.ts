import { type Owner, revokeLater } from './expulsion.ts';
import { nonceOf, type Paperwork } from './paperwork.ts';
import type { Surroundings } from './process.ts';
import type { Theft } from './scenario.ts';

interface Thief {
  /** A host joins as this operator, with this ticket. */
  join(host: string, operator: string, ticket: string): void;
  /** Has the controller take a revocation. */
  revoke(revocation: string): Promise<unknown>;
}

/**
 * The key that the identity provider has at that time is stolen. The thief joins as an operator of its own and as one that is there
 * already, and revokes a third one. Later the owner replaces the key at once, and the root ends it from the theft on, but for the
 * owner's own revocations.
 */
export function stealKey(
  around: Pick<Surroundings, 'time' | 'trace'>,
  paper: Paperwork,
  theft: Theft,
  { owner, thief }: { owner: Owner; thief: Thief },
): void {
  const { time, trace } = around;
  const begins = async (): Promise<void> => {
    const stolen = paper.idp;
    const since = owner.controller.machine.state.log.size;
    trace.write(time.now, 'thief', `has the key of the identity provider; the log has ${since} leaves`);
    // Before anything else may replace the key.
    const revocation = paper.revocation({ kind: 'operator', id: theft.revokes }, 0, time.now);
    const tickets = ['thief', theft.poses].map(async (operator) => {
      const ticket = await paper.invite(operator, 'worker', time.now, { jti: nonceOf(`stolen ${operator}`) });
      return { operator, ticket: ticket.raw };
    });
    revokeLater(around, { what: 'the stolen key', afterMs: theft.endsAfterMs }, async () => {
      if (paper.idps.includes(stolen)) await owner.controller.nextCharter('idp at once');
      const over = { as: 'root', keeps: owner.revocations };
      await owner.revoke(await paper.revocation({ kind: 'key', id: stolen.id }, since, time.now, over));
    });
    for (const { operator, ticket } of await Promise.all(tickets))
      thief.join(`thief as ${operator}`, operator, ticket);
    await thief.revoke((await revocation).raw).catch(() => {});
  };
  time.at(time.now + theft.afterMs, () => void begins());
}
