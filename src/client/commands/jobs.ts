import type { Client } from '../../member/client.ts';
import { withClient } from '../../member/commands/project-client.ts';
import { accountOf, type RunState } from '../../protocol/account/index.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { notCosigned } from '../../protocol/trust/not-cosigned.ts';
import { type Context, type Define, examples, whichProject } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { columns, duration, shortId, shortRun } from '../../terminal/format.ts';

const reasonCharsMax = 100;

export const jobs: Define = (program, act) =>
  program
    .command('jobs')
    .summary('list the jobs of a project')
    .description('Lists the jobs of a project, newest first, and how far each has come.')
    .option('--ref <ref>', 'of this branch or tag only')
    .option(...whichProject)
    .addHelpText('after', examples('quorate jobs', 'quorate jobs --ref main', 'quorate jobs --json'))
    .action(act(run));

async function run(context: Context, { ref, project }: { ref?: string; project?: string }): Promise<Exit> {
  const { out } = context;
  const { jobs: found, equivocations } = await withClient(context, project, (client) => client.jobs(ref));
  out.value(found.map((job) => ({ ...job, account: accountOf(job) })));
  for (const says of equivocations)
    out.note(
      `The log tells two stories: what has no line of a trusted worker counts no more [LOG_EQUIVOCATED]: ${escapeLine(says, 1000)}.`,
    );
  if (found.length === 0)
    out.say(
      ref === undefined
        ? 'No jobs yet. "quorate run" publishes one.'
        : `No jobs of ${escapeLine(ref, 80)}. "quorate jobs" lists those of all branches and tags.`,
    );
  const now = Date.now();
  const rows = found.map((job) => [
    shortRun(job.run),
    job.name,
    stateOf(job),
    `${escapeLine(job.ref, 40)} ${job.commit.slice(0, 8)}`,
    `${duration(now - job.submittedAt)} ago`,
    job.artifact === null ? '' : shortId(job.artifact),
  ]);
  out.say(...columns(rows));
  if (found.some(({ cosigned }) => cosigned === false)) out.say(notCosigned);
  return exits.done;
}

type JobSummary = Awaited<ReturnType<Client['jobs']>>['jobs'][number];

/** States that say enough by themselves, in a list. */
const plain: ReadonlySet<RunState> = new Set(['trusted', 'building', 'failed']);

function stateOf(job: JobSummary): string {
  const { state, reason, alarm } = accountOf(job);
  const why = plain.has(state) || reason === '' ? '' : `: ${escapeLine(reason, reasonCharsMax)}`;
  const unsigned = job.cosigned === false ? ', not co-signed' : '';
  return `${job.test ? 'test ' : ''}${alarm ? 'ALARM ' : ''}${state}${unsigned}${why}`;
}
