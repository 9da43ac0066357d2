import { keyFromSeed } from '../../identity/keys.ts';
import { decodeTicket } from '../../identity/ticket.ts';
import { openMesh } from '../../mesh/index.ts';
import { assert, QuorateError } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { hostsNamed } from '../../protocol/judge/hosts.ts';
import type { Membership } from '../../protocol/sessions/credentials.ts';
import { checkInvite, findController, join } from '../../protocol/sessions/join.ts';
import { throwIfAborted } from '../aborted.ts';
import { isUnread, patiently, type Waiting } from '../patience.ts';
import { joseDocuments, meshDial, nodeClock, signingOf } from '../ports.ts';
import type { Home } from './home.ts';
import { recordShown } from './shown-hosts.ts';

const joinMsMax = 30_000;
assert(joinMsMax < limits.clockSkewSeconds * 1000, 'a request signed at the beginning is recent at the end');

interface JoinOptions extends Waiting {
  home: Home;
  ticket: string;
}

/**
 * Joins a project: presents the ticket to the controller it names, gets charter and grant, and saves the membership. A worker connects to
 * the hosts that its operator was shown (`shown`; absent: all), and to no other that the controller names with the grant. @throws
 * TICKET_…, DOC_…, CONTROLLER_…, CHARTER_ISSUER_MISMATCH, and the codes that the controller answers with
 */
export function joinProject({
  shown,
  ...options
}: JoinOptions & { shown?: readonly string[] | undefined }): Promise<Membership> {
  return withTicket(options, async (asking, ticket, controllers) => {
    const { home } = options;
    const membership = await join(asking, ticket, controllers);
    await home.save(membership);
    const { role } = membership;
    if (role === 'worker' || role === 'trusted-worker') await recordShown(home, membership, shown);
    return membership;
  });
}

/** Hosts that a ticket's project names, before it is used. @throws TICKET_…, DOC_…, CONTROLLER_…, CHARTER_ISSUER_MISMATCH */
export function hostsOfTicket(options: JoinOptions): Promise<string[]> {
  return withTicket(options, async (asking, { invite }, controllers) => {
    const { charter, feed } = await findController(asking, invite.payload.project, controllers);
    return hostsNamed(charter, feed);
  });
}

async function withTicket<T>(
  options: JoinOptions,
  use: (
    asking: Parameters<typeof join>[0],
    ticket: Parameters<typeof join>[1],
    controllers: Membership['controllers'],
  ) => Promise<T>,
): Promise<T> {
  const { home } = options;
  const { invite: raw, seed } = decodeTicket(options.ticket);
  const invite = await joseDocuments.message('invite', raw);
  const holder = seed === undefined ? undefined : keyFromSeed(seed).signer;
  const key = await home.key();
  checkInvite(invite, key.id, Date.now());
  const controllers = byPeer(invite.payload.addrs);
  const mesh = await openMesh({ key: key.seed, listen: [], bootstrap: [], topics: [], role: 'node' });
  const attempt = async () => {
    const signal = AbortSignal.any([options.signal, AbortSignal.timeout(joinMsMax)]);
    const dial = meshDial(mesh, signal);
    const asking = { dial, signing: signingOf(key.signer), clock: nodeClock(signal) };
    try {
      return await use(asking, { invite, holder }, controllers);
    } catch (error) {
      throwIfAborted(signal, `joining at ${controllers.map(({ id }) => id).join(', ')}`);
      throw error;
    }
  };
  try {
    return await patiently(options, attempt, isUnread);
  } finally {
    await mesh.close();
  }
}

/** Groups multiaddrs that end in `/p2p/<id>` by that id. @throws TICKET_NO_ADDRESS */
export function byPeer(addrs: readonly string[]): Membership['controllers'] {
  const named = addrs.filter((addr) => addr.includes('/p2p/'));
  if (named.length === 0)
    throw new QuorateError('TICKET_NO_ADDRESS', 'the ticket has no address of the controller', {
      hint: 'Ask the owner for a new one, made while the controller runs.',
    });
  const byId = Map.groupBy(named, (addr) => addr.split('/p2p/').at(-1) ?? '');
  return [...byId].map(([id, list]) => ({ id, addrs: list }));
}
