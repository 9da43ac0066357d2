import { join } from 'node:path';
import { QuorateError } from '../protocol/base/errors.ts';
import type { Context } from '../terminal/context.ts';
import { projectHere } from './project.ts';

interface Places {
  project: string;
  bootstrap: string[];
  controllers?: { id: string; addrs: string[] }[];
  /** Peers that the controller in the project folder, or this home, met before. */
  peersFile?: string;
}

/** The project's root key and the bootstrap addresses: as given, else from a membership or project folder. */
export async function whereFrom(
  { cwd, home: dir }: Context,
  { project, bootstrap }: { project?: string; bootstrap?: string[] | undefined },
): Promise<Places> {
  if (project !== undefined && bootstrap !== undefined) return { project, bootstrap };
  const folder = await projectHere(cwd, project);
  if (folder !== undefined) {
    const { byPeer } = await import('../node/membership/join.ts');
    const address = await folder.address();
    return {
      project: folder.project,
      bootstrap: bootstrap ?? folder.charter.bootstrap,
      controllers: address === undefined ? [] : byPeer(address.addrs),
      peersFile: join(folder.dir, 'peers.json'),
    };
  }
  const { openHome } = await import('../node/membership/home.ts');
  const known = await openHome(dir)
    .membership(project)
    .catch((cause: unknown) => {
      if (!(cause instanceof QuorateError) || cause.code !== 'MEMBERSHIP_NOT_FOUND') throw cause;
      throw new QuorateError(cause.code, cause.message, {
        hint: 'A membership is not needed: name the root key and a bootstrap node, --project 12D3KooW… --bootstrap /dns4/…',
        cause,
      });
    });
  return {
    project: known.project,
    bootstrap: bootstrap ?? known.bootstrap,
    controllers: known.controllers,
    peersFile: join(dir, 'peers.json'),
  };
}
