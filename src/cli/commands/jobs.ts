import { levelText } from '../../core/controller/dispute-words.ts';
import { escapeLine } from '../../core/escape.ts';
import { notCosigned } from '../../core/trust/not-cosigned.ts';
import type { Client } from '../../runtime/client/client.ts';
import { type Context, type Define, examples } from '../context.ts';
import { type Exit, exits } from '../exit-codes.ts';
import { columns, duration, shortId, shortRun } from '../format.ts';
import { withClient } from '../project-client.ts';

interface Options {
  project?: string;
}

export const jobs: Define = (program, act) => {
  program
    .command('jobs')
    .summary('list the jobs of a project')
    .description('Lists the jobs of a project, newest first, and how far each has come.')
    .option('--project <id>', 'which one, for a member of several')
    .addHelpText('after', examples('quorate jobs', 'quorate jobs --json'))
    .action(act(run));
};

async function run(context: Context, { project }: Options): Promise<Exit> {
  const { out } = context;
  const { jobs: found, equivocations } = await withClient(context, project, (client) => client.jobs());
  out.value(found);
  for (const says of equivocations)
    out.note(`Nothing under this log counts any more [LOG_EQUIVOCATED]: ${escapeLine(says, 1000)}.`);
  if (found.length === 0) out.say('No jobs yet. "quorate run" publishes one.');
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

function stateOf({ state, level, reason, revoked, missing, cosigned, test }: JobSummary): string {
  const words = [
    level === null ? state : levelText(level, reason),
    ...(cosigned === false ? ['not co-signed'] : []),
    ...(revoked === undefined ? [] : ['revoked']),
    ...(missing === undefined || level === null ? [] : ['waits for witnesses']),
  ];
  return `${test ? 'test ' : ''}${words.join(', ')}`;
}
