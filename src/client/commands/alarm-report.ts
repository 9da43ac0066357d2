import type { Client } from '../../member/client.ts';
import type { Account } from '../../protocol/account/index.ts';
import { messageOf } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import type { Progress } from '../../protocol/wire/progress.ts';
import type { Context } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { shortRun } from '../../terminal/format.ts';
import { comparedIn, sayDispute } from './run-comparison.ts';

/** The verdict is out: its comparison may take this long. */
const compareMsMax = 60_000;

/**
 * Tells the alarm of a run that was followed, and compares its results without diffoscope, which may take minutes.
 * @returns the exit code for a contradiction, or a trusted worker's refusal, of a run that was trusted in the end
 */
export async function sayAlarm(
  context: Context,
  client: Pick<Client, 'logs'>,
  { run, account, history }: { run: string; account: Account; history: readonly Progress[] },
): Promise<Exit | undefined> {
  const { out } = context;
  const contradicted = history.some(({ kind }) => kind === 'contradicted');
  const refused = history.some(({ kind }) => kind === 'cosign-refused');
  const compared = comparedIn(history);
  if (!contradicted && compared === undefined && !account.alarm) return undefined;
  out.note(
    out.colours.red(
      contradicted
        ? 'ALARM: the trusted worker contradicts what operators had agreed on. Several of them, or the trusted worker, are wrong.'
        : `ALARM: ${account.state === 'disputed' || account.state === 'differs' || refused ? escapeLine(account.reason, 300) : 'builders came to different results'}.`,
    ),
  );
  if (compared !== undefined && !out.json) {
    const signal = AbortSignal.any([context.signal, AbortSignal.timeout(compareMsMax)]);
    const options = { diffoscope: false, tier: 'gvisor' } as const;
    await sayDispute({ ...context, signal }, client, run, compared, options).catch((error: unknown) => {
      context.signal.throwIfAborted();
      out.note(`The comparison ended early: ${escapeLine(messageOf(error), 300)}`);
    });
  }
  if (compared !== undefined) out.note(`With diffoscope, and again: quorate diff ${shortRun(run)}`);
  return contradicted || refused ? exits.lookAt : undefined;
}
