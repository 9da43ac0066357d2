import { QuorateError } from '../base/errors.ts';
import { type Charter, checkTime, type Invite, type Signer, type Verified } from '../documents/index.ts';
import { ask, isConnectionError, isCrowded, obtainGrant, openCharter } from './ask.ts';
import { searchCharters } from './charter-search.ts';
import { controllersUnder, type Membership } from './credentials.ts';
import type { Clock, Dial, PeerAddress, Signing } from './ports.ts';

/** Checks an invite before anybody is dialled. @throws `DOC_EXPIRED`, `DOC_FROM_FUTURE`, `TICKET_KEY_MISMATCH`. */
export function checkInvite({ payload }: Verified<Invite>, key: string, now: number): void {
  checkTime(payload, now, 'the ticket');
  if (payload.key === undefined || payload.key === key) return;
  throw new QuorateError(
    'TICKET_KEY_MISMATCH',
    `the ticket is bound to the key ${payload.key}; this host has ${key}`,
    {
      hint: 'Run "quorate key" on the host that is to join, and ask for a ticket bound to the key it prints.',
    },
  );
}

/**
 * Enrols with an invite at one of the controllers. Everything is checked against the root key that the invite names.
 * @throws {QuorateError} those of `checkInvite`, `ask` and `obtainGrant`; `CHARTER_ISSUER_MISMATCH`, `TICKET_ISSUER_MISMATCH`,
 * `CONTROLLER_NOT_IN_CHARTER`
 */
export async function join(
  { dial, signing, clock }: { dial: Dial; signing: Signing; clock: Pick<Clock, 'now'> },
  { invite, holder }: { invite: Verified<Invite>; holder?: Signer | undefined },
  named: readonly PeerAddress[],
): Promise<Membership> {
  const { project, operator, role } = invite.payload;
  checkInvite(invite, signing.signer.id, clock.now());
  const { charter, controllers } = await findController({ dial, signing }, project, named);
  if (!charter.idps.includes(invite.signer))
    throw new QuorateError(
      'TICKET_ISSUER_MISMATCH',
      'the ticket is not signed by an identity provider of this project',
      { hint: 'Ask the owner for a new one: the keys of the project have changed since.' },
    );
  const asking = { dial, signing, clock };
  const joined = await obtainGrant(asking, { project, controllers, idp: invite.signer }, { invite, holder });
  return {
    project,
    name: charter.name,
    operator,
    role,
    charter: joined.charter.raw,
    grant: joined.grant.raw,
    controllers,
    bootstrap: charter.bootstrap,
    ...(joined.feed === undefined ? {} : { feed: joined.feed }),
  };
}

/** The charter and the controller's addresses. One with another key than in the ticket is named, by the root, at its old address. */
export async function findController(
  { dial, signing }: { dial: Dial; signing: Signing },
  project: string,
  named: readonly PeerAddress[],
): Promise<{ charter: Charter; controllers: PeerAddress[]; feed?: string[] | undefined }> {
  let found: Awaited<ReturnType<typeof ask>>;
  try {
    found = await ask(dial, named, { kind: 'charter' });
  } catch (error) {
    // A search would open more connections to a controller that takes none.
    if (!isConnectionError(error) || isCrowded(error)) throw error;
    const charters: Charter[] = [];
    for (const raw of await searchCharters(dial, named)) {
      const charter = await openCharter(raw, project, signing.documents).catch(() => undefined);
      if (charter !== undefined) charters.push(charter.payload);
    }
    // A stranger at one of the addresses may show one of before.
    const [charter] = charters.sort((a, b) => b.epoch - a.epoch);
    if (charter === undefined) throw error;
    return { charter, controllers: controllersUnder(charter, named) };
  }
  const { answer, controller } = found;
  if (answer.kind !== 'charter')
    throw new QuorateError('CONTROLLER_UNEXPECTED_ANSWER', `expected a charter, got ${answer.kind}`, {
      hint: 'It may run another version: update both.',
    });
  const charter = (await openCharter(answer.charter, project, signing.documents)).payload;
  if (!charter.controllers.includes(controller))
    throw new QuorateError(
      'CONTROLLER_NOT_IN_CHARTER',
      `the charter does not name ${controller} as a controller`,
      { hint: 'Ask the owner for a new ticket: the addresses of this one lead to another peer.' },
    );
  return { charter, controllers: [...named], feed: answer.feed };
}
