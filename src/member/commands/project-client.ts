import type { Home } from '../../node/membership/home.ts';
import { findProject } from '../../owner/project.ts';
import { codeOf, QuorateError } from '../../protocol/base/errors.ts';
import type { Membership } from '../../protocol/sessions/credentials.ts';
import type { Context } from '../../terminal/context.ts';
import type { Client } from '../client.ts';
import { tellAlarms } from './alarms.ts';

/**
 * The membership to use for a project: the owner's in the project's repository, else one of the home folder.
 * Throws `MEMBERSHIP_…`, `CONTROLLER_UNREACHABLE`.
 */
export async function membershipFor(
  { cwd, home: dir, signal, out }: Context,
  project: string | undefined,
): Promise<{ home: Home; membership: Membership }> {
  const { openHome } = await import('../../node/membership/home.ts');
  const home = openHome(dir);
  const tell = (says: string) => out.note(says);
  const own = findProject(cwd);
  if (own !== undefined) {
    const { openProjectFolder } = await import('../../owner/project-folder.ts');
    const folder = await openProjectFolder(own);
    if (project === undefined || project === folder.project) {
      const { ownerMembership } = await import('../owner-membership.ts');
      return { home, membership: await ownerMembership(home, folder, signal, tell) };
    }
  }
  return { home, membership: await home.membership(project) };
}

/** Runs `use` with a client of the project, tells a publisher of disputes that nobody looked at yet, and closes the client. */
export async function withClient<Result>(
  context: Context,
  project: string | undefined,
  use: (client: Client, home: Home) => Promise<Result>,
): Promise<Result> {
  const { openClient } = await import('../client.ts');
  const { home, membership } = await membershipFor(context, project);
  const own = findProject(context.cwd);
  const client = await openClient({
    home,
    membership,
    signal: context.signal,
    tell: (says) => context.out.note(says),
  });
  try {
    const result = await use(client, home);
    if (membership.role === 'publisher') await tellAlarms(context, home, client);
    return result;
  } catch (error) {
    if (codeOf(error) !== 'CONTROLLER_UNREACHABLE' || own === undefined) throw error;
    const { code, message, hint = '' } = error as QuorateError;
    throw new QuorateError(code, message, {
      hint: `${hint} Where it is to run here, in this repository: quorate controller`.trim(),
      cause: error,
    });
  } finally {
    await client.close();
  }
}
