import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Home } from '../../node/membership/home.ts';
import { playedHomes } from '../../owner/played.ts';
import { projectHere } from '../../owner/project.ts';
import { codeOf, QuorateError } from '../../protocol/base/errors.ts';
import type { Context } from '../../terminal/context.ts';
import type { Client, Member } from '../client.ts';
import { tellAlarms } from './alarms.ts';

/** The membership to use for a project: the owner's in the project's repository, else one of the home folder. */
export async function membershipFor(
  { cwd, home: dir, signal, out }: Context,
  project: string | undefined,
): Promise<Member> {
  const { openHome } = await import('../../node/membership/home.ts');
  const tell = (says: string) => out.note(says);
  const folder = await projectHere(cwd, project);
  const played = folder && playedHomes(folder);
  const home = openHome(played === undefined ? dir : join(played, 'owner'));
  if (folder === undefined) {
    const inNone = (error: unknown): never => {
      if (project !== undefined || codeOf(error) !== 'MEMBERSHIP_NOT_FOUND') throw error;
      const { message, hint = '' } = error as QuorateError;
      throw new QuorateError('MEMBERSHIP_NOT_FOUND', `you are in no project here: ${message}`, {
        hint: `${hint} To make one of a repository: quorate init`,
        cause: error,
      });
    };
    return { home, membership: await home.membership(project).catch(inNone) };
  }
  const { ownerMembership } = await import('../owner-membership.ts');
  const membership = await ownerMembership(home, folder, signal, tell).catch(async (error: unknown) => {
    throw await withAdvice({ cwd }, project, error);
  });
  return { home, membership, addresses: async () => (await folder.address())?.addrs ?? [] };
}

/** Runs `use` with a client of the project, tells a publisher of disputes that nobody looked at yet, and closes the client. */
export async function withClient<Result>(
  context: Context,
  project: string | undefined,
  use: (client: Client, home: Home) => Promise<Result>,
): Promise<Result> {
  const { openClient } = await import('../client.ts');
  const member = await membershipFor(context, project);
  const { home, membership } = member;
  const { signal, out } = context;
  const client = await openClient({ ...member, signal, tell: (says) => out.note(says) });
  try {
    const result = await use(client, home);
    if (membership.role === 'publisher') await tellAlarms(context, home, client);
    return result;
  } catch (error) {
    throw await withAdvice(context, project, error, home);
  } finally {
    await client.close();
  }
}

/** Advice for the owner of a project whose controller does not answer; undefined for others. `home`: as of `membershipFor`, which may be gone since. */
export async function controllerAdvice(
  { cwd }: Pick<Context, 'cwd'>,
  project: string | undefined,
  home?: Pick<Home, 'dir'>,
): Promise<string | undefined> {
  const lost = home && playedHomes(home);
  if (lost !== undefined && !existsSync(lost))
    return `${lost} was removed, and its jobs are lost: end the quorate up of this repository if it still runs, and start it again.`;
  const folder = await projectHere(cwd, project);
  if (folder === undefined) return undefined;
  const homes = playedHomes(folder);
  const { startHint } = await import('../../owner/project-folder.ts');
  if (homes === undefined) return folder.holds.controller ? startHint : undefined;
  const { servedSource } = await import('../../owner/served-source.ts');
  if ((await servedSource(dirname(dirname(homes)))) !== undefined) return undefined;
  return 'quorate up plays it in this repository, and has ended: start it again, and its jobs go on.';
}

/** The same error with that advice, where the controller does not answer. */
export async function withAdvice(
  context: Pick<Context, 'cwd'>,
  project: string | undefined,
  error: unknown,
  home?: Pick<Home, 'dir'>,
): Promise<unknown> {
  const { isGone } = await import('../../node/patience.ts');
  const { startHint } = await import('../../owner/project-folder.ts');
  if (!(error instanceof QuorateError) || !isGone(error) || error.hint === startHint) return error;
  const advice = await controllerAdvice(context, project, home);
  if (advice === undefined) return error;
  const { code, message } = error;
  // It says that jobs go on.
  const hint = home !== undefined && !existsSync(home.dir) ? '' : (error.hint ?? '');
  return new QuorateError(code, message, { hint: `${hint} ${advice}`.trim(), cause: error });
}
