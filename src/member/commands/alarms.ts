import type { Home } from '../../node/membership/home.ts';
import { accountOf } from '../../protocol/account/index.ts';
import { messageOf } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { sayFullKey } from '../../protocol/trust/key-texts.ts';
import type { Context } from '../../terminal/context.ts';
import { counted, shortRun } from '../../terminal/format.ts';
import type { Client } from '../client.ts';

/** Runs that a notice names. */
const namedMax = 3;
const endIt = 'quorate rotate idp --at-once --since <index>; see docs/rotation.md, the day a key is stolen.';
/** The notice follows the answer of a command, which does not wait longer for it. */
const askMsMax = 5_000;

/** A publisher has looked at the alarm of this run: the controller raises it no more. A failure is noted. */
export async function lookedAt(
  { out }: Context,
  client: Pick<Client, 'acknowledge' | 'role'>,
  run: string,
): Promise<void> {
  if (client.role !== 'publisher') return;
  await client
    .acknowledge(run)
    .catch((error: unknown) => out.note(`The alarm stays: ${escapeLine(messageOf(error), 300)}`));
}

/**
 * Tells a publisher, after the answer of a command, of alarms that nobody has looked at, each once from this home folder, and of keys that
 * revoke all they can. `said`: runs whose alarm the command told by itself. Never throws.
 */
export async function tellAlarms(
  { out, signal }: Context,
  home: Home,
  client: Pick<Client, 'jobs' | 'project'>,
  said: readonly string[] = [],
): Promise<void> {
  if (signal.aborted) return;
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, askMsMax, undefined).unref());
  const answer = await Promise.race([client.jobs(), late]).catch(() => undefined);
  for (const key of answer?.full ?? [])
    out.note(out.colours.red(`ALARM: the controller says that ${sayFullKey(key)}. ${endIt}`));
  const { rememberTold, toldAlarms } = await import('../../node/membership/told-alarms.ts');
  const told = await toldAlarms(home, client.project).catch((): string[] => []);
  const raised = (answer?.jobs ?? []).filter((job) => accountOf(job).alarm && !told.includes(job.run));
  if (raised.length === 0) return;
  const runs = raised.filter(({ run }) => !said.includes(run));
  const [first] = runs;
  if (first !== undefined) {
    const names = runs.slice(0, namedMax).map(({ name, run }) => `${name} (${shortRun(run)})`);
    const more = runs.length > namedMax ? `, and ${runs.length - namedMax} more` : '';
    out.note(
      out.colours.red(
        `ALARM: the controller says that builders came to different results in ${counted(runs.length, 'job')}: ${names.join(', ')}${more}. Look at it: quorate show ${shortRun(first.run)}`,
      ),
    );
  }
  const ids = raised.map(({ run }) => run);
  await rememberTold(home, client.project, ids).catch((error: unknown) =>
    out.note(`This alarm will be told again: ${escapeLine(messageOf(error), 300)}`),
  );
}
