import { codeOf } from '../../protocol/base/errors.ts';
import { counted } from '../../protocol/base/quantity.ts';
import { confirmed } from '../../terminal/confirm.ts';
import type { Context } from '../../terminal/context.ts';
import type { ProjectFolder } from '../project-folder.ts';

/**
 * Says where a project has fewer operators than its rounds have slots once this one is revoked, and asks at a terminal. Returns
 * whether to go on. Where no controller runs from this folder nobody knows, and nothing is said.
 */
export async function fewerIsFine(
  context: Pick<Context, 'out' | 'interactive' | 'signal'>,
  folder: Pick<ProjectFolder, 'dir'>,
  { operator, yes, ask = confirmed }: { operator: string; yes: boolean; ask?: typeof confirmed },
): Promise<boolean> {
  const { askRunning } = await import('../controller-socket.ts');
  let left: { slots: number; operators: number };
  try {
    ({ rounds: left } = await askRunning<{ rounds: typeof left }>(folder.dir, {
      do: 'status',
      without: operator,
    }));
  } catch (error) {
    if (['CONTROLLER_NOT_RUNNING', 'CONTROLLER_STARTING', 'CONTROL_LOST'].includes(codeOf(error)))
      return true;
    throw error;
  }
  const { slots, operators } = left;
  if (operators >= slots) return true;
  context.out.note(
    `Without ${operator} the project has ${counted(operators, 'operator')}, and a round asks for ${slots}: no round will be full. Each takes longer, as the slot left over is waited for; a job of which more must agree than ${operators} ends as unfinished. Admit another operator: quorate invite <name>`,
  );
  return yes || !context.interactive || ask(context, `Revoke ${operator}?`);
}
