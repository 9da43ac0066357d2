import { existsSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { type Mesh, type PeerAddress, projectRendezvous } from '../../mesh/index.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import type { RevocationBook } from '../../protocol/sessions/revocation-book.ts';
import {
  type Known,
  requestRevocations,
  revocationServer,
} from '../../protocol/sessions/revocation-exchange.ts';
import { meshDial } from '../ports.ts';
import { artifactLimits } from './limits.ts';
import { providersFound } from './members.ts';
import { movedControllers, openVisitor, peersOf, waitOrSearch } from './moved-controllers.ts';

/** Serves the revocations and the checkpoint that are known here, see `revocationServer`. */
export function serveRevocations(mesh: Mesh, known: Known): void {
  const { protocol, session, options } = revocationServer(known);
  mesh.handle(protocol, session, options);
}

const { askMsMax, findMsMax, peersMax } = artifactLimits;

/** Asks members of a project for revocations. Returns how many answered. @throws REVOCATION_NO_ANSWER, MESH_…, HOME_… */
export async function askForRevocations(options: {
  project: string;
  artifact: string | null;
  bootstrap: string[];
  controllers: PeerAddress[];
  /** Where peers of earlier connections are remembered. */
  peersFile?: string | undefined;
  book: RevocationBook;
  signal: AbortSignal;
}): Promise<number> {
  const { project, artifact, bootstrap, controllers, peersFile, book, signal } = options;
  const mesh = await openVisitor({ bootstrap, peersFile });
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(findMsMax)]);
    const peers = new Map(controllers.map((peer) => [peer.id, peer]));
    const keys = [projectRendezvous(project), ...(artifact === null ? [] : [artifact])];
    const known = [...controllers, ...peersOf(bootstrap)];
    const found = (more: PeerAddress[]) => {
      for (const peer of more) peers.set(peer.id, peer);
    };
    const askAll = async (): Promise<number> => {
      const asked = await Promise.allSettled(
        [...peers.values()].map((peer) =>
          learnRevocations(mesh, peer, book, AbortSignal.any([signal, AbortSignal.timeout(askMsMax)])),
        ),
      );
      signal.throwIfAborted();
      return asked.filter(({ status }) => status === 'fulfilled').length;
    };
    const knowsPeers = bootstrap.length > 0 || (peersFile !== undefined && existsSync(peersFile));
    if (knowsPeers) found(await waitOrSearch(mesh, project, known, limit));
    for (let tries = 0; ; tries++) {
      for (const key of knowsPeers ? keys : [])
        for (const peer of await providersFound(mesh, key, { signal: limit, max: peersMax }))
          peers.set(peer.id, peers.get(peer.id) ?? peer);
      const answered = await askAll();
      if (answered > 0) return answered;
      if (tries === 0) found(await movedControllers(mesh, project, known, limit).catch(() => []));
      signal.throwIfAborted();
      if (mesh.connected().length === 0 || limit.aborted) break;
      await setTimeout(artifactLimits.againMs, undefined, { signal });
    }
    const tried = [...bootstrap, ...controllers.flatMap(({ addrs }) => addrs)].join(', ');
    throw new QuorateError(
      'REVOCATION_NO_ANSWER',
      'no member of the project could be asked for revocations',
      { hint: `Tried: ${tried || 'no address is known; name one: --bootstrap /dns4/…'}.` },
    );
  } finally {
    await mesh.close();
  }
}

/** Asks one peer for revocations, and keeps what holds. @throws MESH_…, WIRE_INVALID, HOME_… */
export async function learnRevocations(
  mesh: Mesh,
  peer: PeerAddress,
  book: RevocationBook,
  signal: AbortSignal,
): Promise<void> {
  await requestRevocations(meshDial(mesh, signal), peer, (page) => book.learn(page, Date.now()));
}
