import { withClient } from '../../member/commands/project-client.ts';
import { accountOf } from '../../protocol/account/index.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { notCosigned } from '../../protocol/trust/not-cosigned.ts';
import { type Context, type Define, defineCommand, whichProject } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { headlineLine, jobLines } from './job-list.ts';

export const jobs: Define = (program, act) =>
  defineCommand(program, 'jobs', {
    summary: 'list the jobs of a project',
    description: 'Lists the jobs of a project by what was pushed, newest first, and how far each has come.',
    examples: ['quorate jobs', 'quorate jobs --ref main', 'quorate jobs --json'],
  })
    .option('--ref <ref>', 'of this branch or tag only')
    .option(...whichProject)
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
  const { colours, width, isTerminal: breaks } = out;
  if (found.length > 0) out.say(headlineLine(found, { colours }), '');
  out.print(...jobLines(found, { now: Date.now(), colours, width, breaks }));
  if (found.some(({ cosigned }) => cosigned === false)) out.say(`* ${notCosigned}`);
  return exits.done;
}
