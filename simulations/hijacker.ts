import type { Invite, Verified } from '../src/protocol/documents/index.ts';
import { encodeMessage, type IdpUp } from '../src/protocol/wire/messages.ts';
import { protocols } from '../src/protocol/wire/protocols.ts';
import type { ControllerNode } from './controller-node.ts';
import type { IdpNode } from './idp-node.ts';
import type { Node } from './network.ts';
import type { Paperwork } from './paperwork.ts';
import type { Surroundings } from './process.ts';
import type { Scenario } from './scenario.ts';

const everyMsMin = 5_000;
const everyMsMax = 30_000;

export interface Hijacked {
  idp: IdpNode;
  /** The controller whose state it reads. */
  controller: ControllerNode;
  /** Every invite that the owner signed. */
  tickets: readonly Verified<Invite>[];
  scenario: Scenario;
  /** Whether the faults have ended. */
  over: () => boolean;
}

/**
 * Has the controller's key, all invites and some used-up tickets. Until the faults end it asks the identity provider for grants:
 * of its own keys, with invites and without, and of the operator that the owner revokes.
 */
export function hijack(around: Surroundings, paper: Paperwork, hijacked: Hijacked): void {
  const { time, network } = around;
  const random = around.random.fork('hijacker');
  let keys = 0;
  const attempt = async (): Promise<void> => {
    const [friend] = random.chance(0.3) ? friendsOf(hijacked) : [];
    const key = friend?.key ?? `hijacker ${++keys}`;
    const all = seenInvites(hijacked);
    const isBare = friend !== undefined || all.length === 0 || random.chance(0.3);
    const ticket = isBare ? undefined : random.pick(all);
    const self: Node = { name: key, id: paper.controller.id, up: true, life: 1, accept: () => {} };
    const enrol = await paper.enrol(key, time.now, ticket?.invite.payload.jti);
    const enrolled = ticket?.enrolled ?? friend?.enrolled ?? 0;
    // A used-up ticket may have leaked whole, with the holder's key.
    const whole = ticket?.used === true && random.chance(0.7);
    const possession = whole ? await paper.possession(ticket.invite.payload.jti, key, time.now) : undefined;
    const question: IdpUp = {
      kind: 'grant',
      enrol: enrol.raw,
      enrolled,
      epoch: paper.epoch,
      ...(ticket !== undefined && { invite: ticket.invite.raw }),
      ...(possession !== undefined && { possession: possession.raw }),
    };
    const channel = await network.dial(self, hijacked.idp, protocols.idp);
    await channel.send(encodeMessage(question));
    await channel.close();
  };
  const again = (): void => {
    if (hijacked.over()) return;
    attempt().catch(() => {});
    time.after(random.int(everyMsMin, everyMsMax), again);
  };
  time.after(random.int(everyMsMin, everyMsMax), again);
}

interface SeenInvite {
  invite: Verified<Invite>;
  /** Log index of the first enrolment of its operator. */
  enrolled: number;
  /** True once as many machines have joined as the invite is for. */
  used: boolean;
}

/** Invites that came through the controller or will. */
function seenInvites({ idp, controller, tickets }: Hijacked): SeenInvite[] {
  const { operators, log } = controller.machine.state;
  const { invites } = idp.machine.state;
  return tickets.map((invite) => {
    const { role, operator, jti, hosts } = invite.payload;
    const enrolled = operators[role].get(operator) ?? log.size;
    return { invite, enrolled, used: (invites.get(jti)?.length ?? 0) >= hosts };
  });
}

/** Hosts of the operator that the owner revokes, before that and after it. */
function friendsOf({ controller, scenario }: Hijacked): { key: string; enrolled: number }[] {
  const { operators, revokes } = scenario;
  const enrolled = controller.machine.state.operators.worker.get(revokes?.operator ?? '');
  const hosts = operators.find(({ name }) => name === revokes?.operator)?.hosts ?? [];
  return enrolled === undefined ? [] : hosts.map((key) => ({ key, enrolled }));
}
