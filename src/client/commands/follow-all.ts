import type { Client } from '../../member/client.ts';
import { type AccountFacts, accountOf } from '../../protocol/account/index.ts';
import { afterProgress, untold } from '../../protocol/account/told-facts.ts';
import type { Progress } from '../../protocol/wire/progress.ts';
import type { Context } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { counted } from '../../terminal/format.ts';
import { sayAlarm } from './alarm-report.ts';
import { failedResults, sayFailure, withLogs } from './failure-report.ts';
import { idleMs, restsMs, runEvent, stepText, WaitingNote } from './next-steps.ts';
import { PipelineView } from './pipeline-view.ts';
import type { PublishedJob } from './publish.ts';

/** Jobs that are followed at once, each on a stream of its own; those that come after others are told from their history. */
const followedMax = 16;

type Verdict = Extract<Progress, { kind: 'verdict' }>;

interface Followed {
  name: string;
  run: string;
  verdict: Verdict | undefined;
  history: Progress[];
  facts: AccountFacts;
  /** It was built again, to something else. */
  differs: boolean;
}

/** Follows several runs, with a row for each. Done when all of them have the level. */
export async function followAll(
  context: Context,
  client: Client,
  published: readonly PublishedJob[],
  { until, rebuild }: { until: 'agreed' | 'trusted'; rebuild: boolean },
  limit: AbortSignal,
): Promise<Exit> {
  const { out, signal } = context;
  const board = out.board();
  const view = new PipelineView(board, out.colours, published);
  const followed: Followed[] = [];
  const queue = [...published];
  const followOne = async ({ name, run }: PublishedJob): Promise<void> => {
    const one: Followed = { name, run, verdict: undefined, history: [], facts: untold(run), differs: false };
    followed.push(one);
    const waiting = new WaitingNote(context, client, { run, name });
    waiting.in(idleMs);
    try {
      await followEvents(one, waiting);
    } finally {
      waiting.stop();
    }
  };
  const followEvents = async (one: Followed, waiting: WaitingNote): Promise<void> => {
    const { name, run } = one;
    for await (const { at, progress } of client.follow(run, limit)) {
      if (progress.kind === 'waiting' || progress.kind === 'leased') waiting.stop();
      if (progress.kind === 'passed') waiting.in(restsMs);
      waiting.seen++;
      one.facts = afterProgress(one.facts, progress);
      out.value({ ...runEvent(at, progress, one.facts), name, run });
      view.show(name, at, progress, one.facts);
      if (['revealed', 'compared', 'contradicted'].includes(progress.kind)) one.history.push(progress);
      if (progress.kind === 'input-lost') one.verdict = undefined;
      if (progress.kind === 'repeated') one.differs = !progress.same;
      if (progress.kind !== 'verdict') continue;
      one.verdict = progress;
      // The comparison with the earlier run comes after the last verdict, and then the end.
      if (rebuild && progress.level !== 'agreed') continue;
      if (progress.level !== 'agreed' || until === 'agreed') return;
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
  for (const { run, verdict, history } of followed)
    if (verdict !== undefined && withLogs.has(verdict.level))
      await sayFailure(out, client, run, failedResults(history), limit);
  const needed = new Set(published.flatMap(({ needs }) => needs.map(({ name }) => name)));
  let alarm: Exit | undefined;
  for (const { name, run, facts, history } of followed) {
    const account = accountOf(facts);
    alarm = (await sayAlarm(context, client, { run, account, history })) ?? alarm;
    // An artifact that other jobs read is not what the user came for.
    if (!account.over || (account.state === 'trusted' && needed.has(name))) continue;
    for (const step of account.next) out.say(`${name}: ${stepText(step)}`);
  }
  const reached = (verdict: Verdict | undefined) =>
    verdict?.level === 'trusted' || (verdict?.level === 'agreed' && until === 'agreed');
  const lacking = followed.filter(({ verdict }) => !reached(verdict)).length;
  if (lacking > 0) {
    const what = `${lacking} of ${counted(followed.length, 'job')} not ${until}`;
    out.say(`${what}. To publish what came to nothing again: quorate run --failed`);
  }
  return followed.every(({ verdict, differs }) => reached(verdict) && !differs)
    ? (alarm ?? exits.done)
    : exits.no;
}
