import { counted } from '../../protocol/base/quantity.ts';
import type { RevocationTarget } from '../../protocol/documents/index.ts';
import { confirmed } from '../../terminal/confirm.ts';
import type { Context } from '../../terminal/context.ts';
import type { RevokedAnswer } from '../controller-socket.ts';
import type { ProjectFolder } from '../project-folder.ts';

/** The revocation of this that the controller has taken; null also where no controller runs from this folder. */
export async function revokedBefore(
  { dir }: Pick<ProjectFolder, 'dir'>,
  what: RevocationTarget,
): Promise<RevokedAnswer['revoked']> {
  const { askIfRunning } = await import('../controller-socket.ts');
  const question = { do: 'revoked', what } as const;
  return (await askIfRunning<RevokedAnswer>(dir, question, 'CONTROL_REQUEST_INVALID'))?.revoked ?? null;
}

/**
 * Says where a project has fewer operators than its rounds have slots once this one is revoked, and asks at a terminal. Returns
 * whether to go on. Says nothing where no controller runs from this folder.
 */
export async function fewerIsFine(
  context: Pick<Context, 'out' | 'interactive' | 'signal'>,
  folder: Pick<ProjectFolder, 'dir'>,
  { operator, yes, ask = confirmed }: { operator: string; yes: boolean; ask?: typeof confirmed },
): Promise<boolean> {
  const { askIfRunning } = await import('../controller-socket.ts');
  const question = { do: 'status', without: operator } as const;
  const left = await askIfRunning<{ rounds: { slots: number; operators: number } }>(folder.dir, question);
  if (left === undefined) return true;
  const { slots, operators } = left.rounds;
  if (operators >= slots) return true;
  context.out.note(
    `Without ${operator} the project has ${counted(operators, 'operator')}, and a round asks for ${slots}: no round will be full. Each takes longer, as the slot left over is waited for; a job of which more must agree than ${operators} ends as unfinished. Admit another operator: quorate invite <name>`,
  );
  return yes || !context.interactive || ask(context, `Revoke ${operator}?`);
}
