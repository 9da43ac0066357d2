import { type Account, accountLine, accountOf, type NextStep } from '../core/account/index.ts';
import { escapeLine } from '../core/escape.ts';
import type { Client } from '../runtime/client/client.ts';
import type { Context } from './context.ts';

/** A run that nobody has taken for so long is told with its account. */
export const idleMs = 20_000;

/** One thing that can be done about a run. */
export function stepText({ says, command }: NextStep): string {
  const text = `${says.slice(0, 1).toUpperCase()}${says.slice(1)}`;
  return `${escapeLine(text, 500)}${command === undefined ? '' : `: ${escapeLine(command, 500)}`}`;
}

/**
 * Asks for the account of a run and tells it with --json: its state, why, and what can be done. Undefined where it cannot be had,
 * as when the connection is gone: what was followed is told all the same.
 */
export async function accountNow(
  { out }: Context,
  client: Pick<Client, 'show'>,
  { run, name }: { run: string; name?: string },
): Promise<Account | undefined> {
  const shown = await client.show(run).catch(() => undefined);
  if (shown === undefined) return undefined;
  const account = accountOf(shown.summary);
  out.value({ event: 'account', ...(name !== undefined && { name }), run, ...account });
  return account;
}

/** Notes for whom a run waits, and what can be done. */
export async function noteWaiting(
  context: Context,
  client: Pick<Client, 'show'>,
  of: { run: string; name?: string },
): Promise<void> {
  const account = await accountNow(context, client, of);
  if (account === undefined || account.over) return;
  const head = of.name === undefined ? '' : `${of.name}: `;
  for (const line of [escapeLine(accountLine(account), 1000), ...account.next.map(stepText)])
    context.out.note(`${head}${line}`);
}
