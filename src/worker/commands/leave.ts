import { QuorateError } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { confirmed } from '../../terminal/confirm.ts';
import type { Context } from '../../terminal/context.ts';

/**
 * Leaves a project, unless a worker of it runs or the answer is no. Undefined where nothing was removed.
 * @throws PROJECT_IN_USE, CLI_CONFIRMATION_NEEDED, `MEMBERSHIP_…`, and as `leaveProject`
 */
export async function leave(
  context: Pick<Context, 'home' | 'interactive' | 'signal'>,
  which: string | undefined,
  { yes }: { yes: boolean },
): Promise<{ id: string; name: string } | undefined> {
  const { openHome } = await import('../../node/membership/home.ts');
  const { isWorkerRunning } = await import('../node/control.ts');
  const home = openHome(context.home);
  const { project: id, name } = await home.membership(which);
  if (await isWorkerRunning(home.dir, id)) {
    throw new QuorateError('PROJECT_IN_USE', `a worker of ${name} runs here`, {
      hint: `End it first: quorate worker drain --project ${id}, or stop`,
    });
  }
  if (!yes && !context.interactive)
    throw new QuorateError('CLI_CONFIRMATION_NEEDED', 'there is no terminal to ask for confirmation', {
      hint: 'Add --yes.',
    });
  const question = `Leave ${escapeLine(name, 64)}, and remove what is left of it in ${home.dir}? Only a ticket leads back.`;
  if (!yes && !(await confirmed(context, question))) return undefined;
  const { leaveProject } = await import('../node/leave.ts');
  await leaveProject(home, id);
  return { id, name };
}
