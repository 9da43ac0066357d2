import { dirname, join } from 'node:path';
import { playedOf } from '../../owner/played.ts';
import { findProject, playedHere, projectHere } from '../../owner/project.ts';
import { codeOf } from '../../protocol/base/errors.ts';
import type { Context } from '../../terminal/context.ts';
import type { TrialProject } from '../trial/inputs.ts';

/** The project of a trial, from its project folder or a membership. Uses no network. @throws {QuorateError} `MEMBERSHIP_AMBIGUOUS` */
export async function trialProject(
  { home: dir }: Context,
  folder: string,
  wanted: string | undefined,
): Promise<TrialProject | undefined> {
  const { openHome } = await import('../../node/membership/home.ts');
  const home = openHome(dir);
  const joined = (project: string | undefined) =>
    home.membership(project).catch((error: unknown) => {
      if (codeOf(error) === 'MEMBERSHIP_NOT_FOUND') return undefined;
      throw error;
    });
  const own = await projectHere(folder, wanted, true);
  if (own !== undefined) {
    const { project, charter } = own;
    const { byPeer } = await import('../../node/membership/join.ts');
    const address = await own.address();
    const controllers = address === undefined ? [] : byPeer(address.addrs);
    const feed = (await joined(project))?.feed ?? [];
    const { bootstrap } = charter;
    return { project, charter, controllers, feed, bootstrap, folder: dirname(own.dir) };
  }
  const known = await joined(wanted);
  if (known === undefined) return undefined;
  const { openCharter } = await import('../../node/membership/credentials.ts');
  const charter = (await openCharter(known.charter, known.project)).payload;
  const { project, controllers, bootstrap, feed = [] } = known;
  return { project, charter, controllers, bootstrap, feed };
}

/** Folders of stores on this host that may hold an artifact; one that came with the repository or is of another user is not among them. */
export async function storesHere({ home }: Context, folder: string): Promise<string[]> {
  const own = await findProject(folder).catch(() => undefined);
  const played = await playedHere(folder).catch(() => undefined);
  const projects = [...(own === undefined ? [] : [own]), ...(played === undefined ? [] : [playedOf(played)])];
  return [...projects.map((where) => join(where, '.quorate', 'store')), join(home, 'store')];
}
