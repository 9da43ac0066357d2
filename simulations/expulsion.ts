import { codeOf } from '../src/protocol/base/errors.ts';
import type { Revocation, Verified } from '../src/protocol/documents/index.ts';
import type { ControllerNode } from './controller-node.ts';
import type { IdpNode } from './idp-node.ts';
import { nonceOf, type Paperwork } from './paperwork.ts';
import type { Surroundings } from './process.ts';
import type { Publisher } from './publisher.ts';
import type { Expulsion, Theft } from './scenario.ts';

interface Thief {
  join(host: string, operator: string, ticket: string): void;
  /** Has the controller take a revocation. */
  revoke(revocation: string): Promise<unknown>;
}

/**
 * A thief joins with the identity provider's key as two operators and revokes a third; later the owner replaces that key, and the
 * root ends it from the theft on, but for the owner's own revocations.
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

const retryMs = 3_000;

/** The owner at work with revocations. */
export class Owner {
  /** Ids of those it signed with the identity provider's key. */
  readonly revocations: string[] = [];
  /** How many of those that it was to sign are in the log. */
  logged = 0;
  readonly controller: ControllerNode;
  readonly #publisher: Publisher;
  readonly #idp: IdpNode | undefined;

  constructor(controller: ControllerNode, publisher: Publisher, idp: IdpNode | undefined) {
    this.controller = controller;
    this.#publisher = publisher;
    this.#idp = idp;
  }

  /** Has the controller take it. */
  async revoke(revocation: Verified<Revocation>): Promise<void> {
    await this.#publisher.ask({ kind: 'revoke', revocation: revocation.raw });
    this.#idp?.learn(revocation);
    this.logged++;
  }
}

/** From then on the owner asks again and again until it is told that the revocation is in the log. */
function revokeLater(
  { time, trace }: Pick<Surroundings, 'time' | 'trace'>,
  { what, afterMs }: { what: string; afterMs: number },
  revoke: () => Promise<void>,
): void {
  const attempt = (): void => {
    revoke().then(
      () => trace.write(time.now, 'owner', `${what} is revoked`),
      (error) => {
        trace.write(time.now, 'owner', `revoking ${what}: ${codeOf(error)}`);
        time.after(retryMs, attempt);
      },
    );
  };
  time.at(time.now + afterMs, attempt);
}

/** The owner revokes an operator. */
export function expelLater(
  around: Pick<Surroundings, 'time' | 'trace'>,
  paper: Paperwork,
  { operator, afterMs, ever }: Expulsion,
  owner: Owner,
): void {
  revokeLater(around, { what: operator, afterMs }, async () => {
    const since = ever ? 0 : owner.controller.machine.state.log.size;
    const what = { kind: 'operator', id: operator } as const;
    const revocation = await paper.revocation(what, since, around.time.now);
    owner.revocations.push(revocation.id);
    await owner.revoke(revocation);
  });
}
