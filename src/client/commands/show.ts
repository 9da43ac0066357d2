import type { ShownRun } from '../../member/client.ts';
import { lookedAt } from '../../member/commands/alarms.ts';
import { withClient } from '../../member/commands/project-client.ts';
import { accountLine, accountOf, type RunState } from '../../protocol/account/index.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { recipeText } from '../../protocol/base/recipe-name.ts';
import { notCosigned } from '../../protocol/trust/not-cosigned.ts';
import { type Context, type Define, examples, whichProject } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { columns, shortRun, when } from '../../terminal/format.ts';
import type { Colours } from '../../terminal/output.ts';
import { failedResults, sayFailure, withLogs } from './failure-report.ts';
import { stepText } from './next-steps.ts';
import { graphRows } from './pipeline-graph.ts';
import { ProgressView } from './progress.ts';

export const show: Define = (program, act) =>
  program
    .command('show')
    .summary('tell what happened to a job')
    .description(
      'Tells what happened to a job so far: who built it, who agreed, what the verdict is, what it rests on and what rests on it.',
    )
    .argument('<job>', "a run's, job's or artifact's id, or the first 8 characters of it")
    .option(...whichProject)
    .addHelpText('after', examples('quorate show 2a4b2f15'))
    .action(act(run));

async function run(context: Context, which: string, { project }: { project?: string }): Promise<Exit> {
  const { out } = context;
  await withClient(context, project, async (client) => {
    const { summary, history, pipeline } = await client.show(which);
    out.value({ summary, account: accountOf(summary), history, pipeline });
    const view = new ProgressView(out.board({ live: false }), out.colours);
    for (const { at, progress } of history) view.show(at, progress);
    view.end();
    const { artifact, reports, submittedAt, run: id } = summary;
    const account = accountOf(summary);
    // Not this command itself.
    const next = account.next.filter(({ command }) => command !== `quorate show ${shortRun(id)}`);
    out.say(
      `submitted ${when(submittedAt)}`,
      `now       ${escapeLine(accountLine(account), 1000)}`,
      ...next.map((step) => `next      ${stepText(step)}`),
      `run       ${id}`,
      `job       ${summary.job}${summary.test ? ', a test' : ''}`,
      ...(summary.recipe === undefined ? [] : [`job file  ${escapeLine(recipeText(summary.recipe), 500)}`]),
      ...(artifact === null ? [] : [`artifact  ${artifact}`]),
      ...(reports === undefined
        ? []
        : [`reports   ${reports}`, `          quorate fetch ${id} --reports -o <folder>`]),
      ...(summary.earlier === undefined
        ? []
        : [`built in  ${summary.earlier}, an earlier run of the same job`]),
      ...(summary.cosigned === false ? [`trust     ${notCosigned}`] : []),
    );
    if (account.alarm) await lookedAt(context, client, id);
    if (pipeline.length > 1) out.say('pipeline', ...pipelineTable(pipeline, id, out.colours));
    if (!withLogs.has(account.state)) return;
    const failed = failedResults(history.map(({ progress }) => progress));
    await sayFailure(out, client, id, failed, context.signal);
  });
  return exits.done;
}

type PipelineJob = ShownRun['pipeline'][number];

const withReason: ReadonlySet<RunState> = new Set(['waiting', 'cancelled']);

/** Lines that draw how jobs rest on each other, with the level of each; the run `current` is marked. */
export function pipelineTable(
  jobs: readonly PipelineJob[],
  current: string,
  { bold, yellow }: Colours,
): string[] {
  const byRun = new Map(jobs.map((job) => [job.run, job]));
  const rows = graphRows(
    jobs.map((job) => ({ ...job, id: job.run, needs: job.needs.map(({ run }) => run) })),
  );
  const lines = columns(
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
  ).map((line) => (line.startsWith('>') ? bold(line) : line));
  return jobs.some(({ cosigned }) => cosigned === false) ? [...lines, yellow(`* ${notCosigned}`)] : lines;
}

/** The state of a job; of one that waits or was cancelled also why. */
function standing(job: PipelineJob): string {
  const account = accountOf(job);
  const says = withReason.has(account.state) ? escapeLine(accountLine(account), 300) : account.state;
  return `${job.test === true ? 'test, ' : ''}${says}${job.cosigned === false ? ' *' : ''}`;
}
