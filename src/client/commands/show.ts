import type { ShownRun } from '../../member/client.ts';
import { lookedAt } from '../../member/commands/alarms.ts';
import { withClient } from '../../member/commands/project-client.ts';
import { accountLine, accountOf, ladderOf, type RunState } from '../../protocol/account/index.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { recipeText } from '../../protocol/base/recipe-name.ts';
import { notCosigned } from '../../protocol/trust/not-cosigned.ts';
import type { RunSummary } from '../../protocol/wire/runs.ts';
import { type Context, type Define, defineCommand, whichProject } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { duration, shortRun, when } from '../../terminal/format.ts';
import type { Output } from '../../terminal/output.ts';
import { failedResults, sayFailure, withLogs } from './failure-report.ts';
import { paintOf, wordOnly } from './job-list.ts';
import { sayStep } from './next-steps.ts';
import { graphRows } from './pipeline-graph.ts';
import { ProgressView } from './progress.ts';

export const show: Define = (program, act) =>
  defineCommand(program, 'show', {
    summary: 'tell what happened to a job',
    description:
      'Tells what happened to a job so far: who built it, who agreed, what the verdict is, what it rests on and what rests on it.',
    examples: ['quorate show 2a4b2f15'],
  })
    .argument('<job>', "a run's, job's or artifact's id, or the first 8 characters of it")
    .option(...whichProject)
    .action(act(run));

async function run(context: Context, which: string, { project }: { project?: string }): Promise<Exit> {
  const { out } = context;
  await withClient(context, project, async (client) => {
    const { summary, history, unread, pipeline } = await client.show(which);
    out.value({
      summary,
      account: accountOf(summary),
      history,
      unread: unread === 0 ? undefined : unread,
      pipeline,
    });
    const account = accountOf(summary);
    sayState(out, summary);
    const failed = withLogs.has(account.state) ? failedResults(history.map(({ progress }) => progress)) : [];
    await sayFailure(out, client, summary.run, failed, context.signal);
    out.say('', out.colours.bold('What happened'));
    const view = new ProgressView(out.lastRows(), out.colours, String);
    for (const { at, progress } of history) view.show(at, progress);
    view.end();
    if (account.alarm) await lookedAt(context, client, summary.run);
    if (pipeline.length > 1) {
      out.say('', out.colours.bold('Pipeline'));
      out.print(...pipelineTable(pipeline, summary.run, out));
    }
    if (unread > 0)
      out.say(
        `Events or jobs that cannot be read, of a later version or damaged, and are left out: ${unread}.`,
      );
    out.say('', out.colours.dim(wordOnly));
  });
  return exits.done;
}

/** How the run stands and what to do about it, and then which one it is. */
function sayState(out: Output, summary: RunSummary): void {
  const account = accountOf(summary);
  const { run: id, job, artifact, reports, earlier, recipe } = summary;
  const { bold } = out.colours;
  const paint = paintOf(account.state, account.alarm, out.colours);
  out.say(
    `${account.alarm ? 'ALARM ' : ''}${bold(paint(account.state))}${account.reason === '' ? '' : `: ${escapeLine(account.reason, 1000)}`}`,
  );
  if (summary.cosigned === false) out.say(out.colours.yellow(notCosigned));
  if (!account.over)
    for (const { place, says } of ladderOf(summary))
      out.say(`${places[place].padEnd(labelWidth)}${escapeLine(says, 500)}`);
  // Not this command itself.
  for (const step of account.next)
    if (step.command !== `quorate show ${shortRun(id)}`) sayStep(out, step, 'next      ');
  const where = `${escapeLine(summary.repo, 200)} ${escapeLine(summary.ref, 80)}`;
  out.say(
    `job       ${bold(summary.name)}${summary.test ? ', a test' : ''}, ${whole(out, job)}`,
    ...subjectOf(summary),
    `source    ${where}, commit ${summary.commit.slice(0, 12)}`,
    ...(recipe === undefined ? [] : [`job file  ${escapeLine(recipeText(recipe), 500)}`]),
    `when      published ${when(summary.submittedAt)}${timesText(summary)}`,
    `run       ${whole(out, id)}`,
    ...(artifact === null ? [] : [`artifact  ${whole(out, artifact)}`]),
  );
  if (reports !== undefined)
    sayStep(
      out,
      { says: whole(out, reports), command: `quorate fetch ${id} --reports -o ../out` },
      'reports   ',
    );
  if (earlier !== undefined) out.say(`built in  ${out.id(earlier)}, an earlier run of the same job`);
}

const places = { reached: 'done', now: 'now', ahead: 'then' } as const;

/** How long its builds took, and how long it was until it was over. */
function timesText({ tookMs, doneMs }: RunSummary): string {
  const built = tookMs === undefined ? '' : `, built in ${duration(tookMs)}`;
  return `${built}${doneMs === undefined ? '' : `, over after ${duration(doneMs)}`}`;
}

/** The commit in words, as its publisher says. */
function subjectOf({ subject, author }: RunSummary): string[] {
  if (subject === undefined && author === undefined) return [];
  const by = author === undefined ? '' : `, by ${escapeLine(author, 100)}`;
  return [`subject   ${escapeLine(subject ?? 'none', 200)}${by}`];
}

/** Of what this command is about: an id as it is, where the line has room for it. */
const labelWidth = 10;
const whole = (out: Output, id: string): string =>
  out.isTerminal && labelWidth + id.length > out.width ? out.id(id) : id;

type PipelineJob = ShownRun['pipeline'][number];

const withReason: ReadonlySet<RunState> = new Set(['waiting', 'cancelled']);

/** Lines that draw how jobs rest on each other, with the level of each; the run `current` is marked. */
export function pipelineTable(jobs: readonly PipelineJob[], current: string, out: Output): string[] {
  const { bold, yellow } = out.colours;
  const byRun = new Map(jobs.map((job) => [job.run, job]));
  const rows = graphRows(
    jobs.map((job) => ({ ...job, id: job.run, needs: job.needs.map(({ run }) => run) })),
  );
  const lines = out
    .tableLines(
      rows.map(({ job: { run }, head, also }) => {
        const job = byRun.get(run);
        const says = job === undefined ? '' : standing(job);
        return [
          `${run === current ? '>' : ' '} ${head}`,
          shortRun(run),
          says,
          also.length === 0 ? '' : `also needs ${also.join(', ')}`,
        ];
      }),
    )
    .map((line) => (line.startsWith('>') ? bold(line) : line));
  return jobs.some(({ cosigned }) => cosigned === false) ? [...lines, yellow(`* ${notCosigned}`)] : lines;
}

/** The state of a job; of one that waits or was cancelled also why. */
function standing(job: PipelineJob): string {
  const account = accountOf(job);
  const says = withReason.has(account.state) ? escapeLine(accountLine(account), 300) : account.state;
  return `${job.test === true ? 'test, ' : ''}${says}${job.cosigned === false ? ' *' : ''}`;
}
