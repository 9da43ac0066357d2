import { type AccountFacts, accountLine, accountOf, type NextStep } from '../core/account/index.ts';
import { escapeLine } from '../core/escape.ts';
import type { Progress } from '../core/wire/progress.ts';
import type { Client } from '../runtime/client/client.ts';
import type { Context } from './context.ts';

/** A run that nobody has taken for so long is told with its account. */
export const idleMs = 20_000;

/** One thing that can be done about a run. */
export function stepText({ says, command }: NextStep): string {
  const text = `${says.slice(0, 1).toUpperCase()}${says.slice(1)}`;
  return `${escapeLine(text, 500)}${command === undefined ? '' : `: ${escapeLine(command, 500)}`}`;
}

/** Progress after which a run may stand otherwise for good. */
const ends: ReadonlySet<Progress['kind']> = new Set(['verdict', 'cancelled', 'revoked']);

/** A line of `run --json`: what was told, and with the end of a run its account by all that was told until then. */
export function runEvent(at: number, progress: Progress, facts: AccountFacts): object {
  const account = ends.has(progress.kind) ? { account: accountOf(facts) } : {};
  return { ...progress, event: progress.kind, at, ...account };
}

/** Notes for whom a run waits, and what can be done. What cannot be had, as when the connection is gone, is left out. */
export async function noteWaiting(
  { out }: Context,
  client: Pick<Client, 'show'>,
  { run, name }: { run: string; name?: string },
): Promise<void> {
  const shown = await client.show(run).catch(() => undefined);
  const account = shown === undefined ? undefined : accountOf(shown.summary);
  if (account === undefined || account.over || account.state === 'building') return;
  out.value({ event: 'account', ...(name !== undefined && { name }), run, ...account });
  const head = name === undefined ? '' : `${name}: `;
  for (const line of [escapeLine(accountLine(account), 1000), ...account.next.map(stepText)])
    out.note(`${head}${line}`);
}
