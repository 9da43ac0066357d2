import type { Client } from '../../member/client.ts';
import { accountOf } from '../../protocol/account/index.ts';
import type { Context } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { counted } from '../../terminal/format.ts';
import { sayAlarm } from './alarm-report.ts';
import { failedResults, sayFailure } from './failure-report.ts';
import { FollowedRun, idleMs, restsMs, runEvent, stepText, type Until, WaitingNote } from './next-steps.ts';
import { PipelineView } from './pipeline-view.ts';
import type { PublishedJob } from './publish.ts';

/** Jobs that are followed at once, each on a stream of its own; those that come after others are told from their history. */
const followedMax = 16;

/** Follows several runs, with a row for each. Done when all of them have the level. */
export async function followAll(
  context: Context,
  client: Client,
  published: readonly PublishedJob[],
  { until, rebuild }: { until: Until; rebuild: boolean },
  limit: AbortSignal,
): Promise<Exit> {
  const { out, signal } = context;
  const board = out.board();
  const view = new PipelineView(board, out.colours, published);
  const followed: { name: string; of: FollowedRun }[] = [];
  const queue = [...published];
  const followOne = async ({ name, run }: PublishedJob): Promise<void> => {
    const of = new FollowedRun(run);
    followed.push({ name, of });
    const waiting = new WaitingNote(context, client, { run, name });
    waiting.in(idleMs);
    try {
      for await (const { at, progress } of client.follow(run, limit)) {
        if (progress.kind === 'waiting' || progress.kind === 'leased') waiting.stop();
        if (progress.kind === 'passed') waiting.in(restsMs);
        waiting.seen++;
        of.take(progress);
        out.value({ ...runEvent(at, progress, of.facts), name, run });
        view.show(name, at, progress, of.facts);
        if (progress.kind === 'verdict' && of.isOver(until, rebuild)) return;
      }
    } finally {
      waiting.stop();
    }
  };
  const next = async (): Promise<void> => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) await followOne(job);
  };
  try {
    await Promise.all(Array.from({ length: followedMax }, next));
  } catch (error) {
    if (!signal.aborted) throw error;
    out.note('No longer following; the jobs go on. quorate jobs lists them.');
    return exits.interrupted;
  } finally {
    board.end();
  }
  for (const { of } of followed)
    if (of.isFailed) await sayFailure(out, client, of.run, failedResults(of.history), limit);
  const needed = new Set(published.flatMap(({ needs }) => needs.map(({ name }) => name)));
  let alarm: Exit | undefined;
  for (const { name, of } of followed) {
    const account = accountOf(of.facts);
    alarm = (await sayAlarm(context, client, { run: of.run, account, history: of.history })) ?? alarm;
    // An artifact that other jobs read is not what the user came for.
    if (!account.over || (account.state === 'trusted' && needed.has(name))) continue;
    for (const step of account.next) out.say(`${name}: ${stepText(step)}`);
  }
  const lacking = followed.filter(({ of }) => !of.reached(until)).length;
  if (lacking > 0) {
    const what = `${lacking} of ${counted(followed.length, 'job')} not ${until}`;
    out.say(`${what}. To publish what came to nothing again: quorate run --failed`);
  }
  return lacking === 0 && !followed.some(({ of }) => of.differs) ? (alarm ?? exits.done) : exits.no;
}
