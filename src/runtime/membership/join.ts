import { checkTime, openMessage } from '../../core/documents/index.ts';
import { QuorateError } from '../../core/errors.ts';
import type { Membership } from '../../core/sessions/credentials.ts';
import { decodeTicket } from '../../identity/ticket.ts';
import { joseVerifier } from '../../identity/verifier.ts';
import { openMesh } from '../../mesh/index.ts';
import { ask, obtainGrant, openCharter } from './credentials.ts';
import type { Home } from './home.ts';

const joinMsMax = 30_000;

/**
 * Joins a project: presents the ticket to the controller it names, gets charter and grant, and saves the membership. The
 * ticket names the root key, the trust anchor for everything else.
 * Errors: `TICKET_…`, `DOC_…`, `CONTROLLER_…`, `CHARTER_ISSUER_MISMATCH`, and the codes that the controller answers with.
 */
export async function joinProject(options: {
  home: Home;
  ticket: string;
  signal: AbortSignal;
}): Promise<Membership> {
  const { home } = options;
  const invite = await openMessage('invite', decodeTicket(options.ticket), joseVerifier);
  const { project, operator, role, addrs } = invite.payload;
  checkTime(invite.payload, Date.now(), 'the ticket');
  const key = await home.key();
  if (invite.payload.key !== undefined && invite.payload.key !== key.id) {
    throw new QuorateError(
      'TICKET_KEY_MISMATCH',
      `the ticket is bound to the key ${invite.payload.key}; this host has ${key.id}`,
      {
        hint: 'Run "quorate key" on the host that is to join, and ask for a ticket bound to the key it prints.',
      },
    );
  }
  const controllers = byPeer(addrs);
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(joinMsMax)]);
  const mesh = await openMesh({ key: key.seed, listen: [], bootstrap: [], topics: [], role: 'node' });
  try {
    const { answer, controller } = await ask(mesh, controllers, { kind: 'charter' }, signal);
    if (answer.kind !== 'charter')
      throw new QuorateError('CONTROLLER_UNEXPECTED_ANSWER', `expected a charter, got ${answer.kind}`, {
        hint: 'It may run another version: update both.',
      });
    const charter = (await openCharter(answer.charter, project)).payload;
    if (!charter.idps.includes(invite.signer)) {
      throw new QuorateError(
        'TICKET_ISSUER_MISMATCH',
        'the ticket is not signed by an identity provider of this project',
        { hint: 'Ask the owner for a new one: the keys of the project have changed since.' },
      );
    }
    if (!charter.controllers.includes(controller)) {
      throw new QuorateError(
        'CONTROLLER_NOT_IN_CHARTER',
        `the charter does not name ${controller} as a controller`,
        { hint: 'Ask the owner for a new ticket: the addresses of this one lead to another peer.' },
      );
    }
    const joined = await obtainGrant(mesh, key, { project, controllers, idp: invite.signer }, invite, signal);
    const membership: Membership = {
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
    await home.save(membership);
    return membership;
  } finally {
    await mesh.close();
  }
}

/** Groups multiaddrs that end in `/p2p/<id>` by that id. Errors: `TICKET_NO_ADDRESS`. */
export function byPeer(addrs: readonly string[]): Membership['controllers'] {
  const found = new Map<string, string[]>();
  for (const addr of addrs) {
    const id = addr.split('/p2p/').at(-1);
    if (id !== undefined && addr.includes('/p2p/')) found.set(id, [...(found.get(id) ?? []), addr]);
  }
  if (found.size === 0)
    throw new QuorateError('TICKET_NO_ADDRESS', 'the ticket has no address of the controller', {
      hint: 'Ask the owner for a new one, made while the controller runs.',
    });
  return [...found].map(([id, list]) => ({ id, addrs: list }));
}
