import { messageOf } from '../core/errors.ts';
import { escapeLine } from '../core/escape.ts';
import type { Client } from '../runtime/client/client.ts';
import type { Home } from '../runtime/membership/home.ts';
import type { Context } from './context.ts';
import { counted, shortRun } from './format.ts';

/** Runs that a notice names. */
const namedMax = 3;
/** The notice follows the answer of a command, which does not wait longer for it. */
const askMsMax = 5_000;

/** The owner has looked at the dispute of this run: no later command tells of it. What cannot be written is noted. */
export async function lookedAt({ out }: Context, home: Home, project: string, run: string): Promise<void> {
  const { lookAt } = await import('../runtime/membership/looked-at.ts');
  await lookAt(home, project, run).catch((error: unknown) =>
    out.note(`This dispute will be told again: ${escapeLine(messageOf(error), 300)}`),
  );
}

/**
 * Tells a publisher on standard error, after every command until it has looked, of runs whose results were in dispute. Never
 * throws: the command has its answer.
 */
export async function tellAlarms(
  { out, signal }: Context,
  home: Home,
  client: Pick<Client, 'jobs' | 'project'>,
): Promise<void> {
  if (signal.aborted) return;
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, askMsMax, undefined).unref());
  const answer = await Promise.race([client.jobs(), late]).catch(() => undefined);
  const { runsLookedAt } = await import('../runtime/membership/looked-at.ts');
  const seen = await runsLookedAt(home, client.project).catch((): string[] => []);
  const runs = (answer?.jobs ?? []).filter(({ alarming, run }) => alarming === true && !seen.includes(run));
  const [first] = runs;
  if (first === undefined) return;
  const names = runs.slice(0, namedMax).map(({ name, run }) => `${name} (${shortRun(run)})`);
  const more = runs.length > namedMax ? `, and ${runs.length - namedMax} more` : '';
  out.note(
    out.colours.red(
      `ALARM: builders came to different results in ${counted(runs.length, 'job')}: ${names.join(', ')}${more}. Look at it: quorate diff ${shortRun(first.run)}`,
    ),
  );
}
