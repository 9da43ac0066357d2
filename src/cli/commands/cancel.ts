import { type Context, type Define, examples } from '../context.ts';
import { type Exit, exits } from '../exit-codes.ts';
import { shortRun } from '../format.ts';
import { withClient } from '../project-client.ts';
import { reasonText } from '../values.ts';

interface Options {
  reason: string;
  project?: string;
}

export const cancel: Define = (program, act) => {
  program
    .command('cancel')
    .summary('end a job without a verdict')
    .description(
      'Ends a job that this machine published: its builds stop, and nothing more comes of it. What was published before stays.',
    )
    .argument('<job>', "a run's or job's id, or the first 8 characters of it")
    .requiredOption('--reason <text>', 'why, for everybody who looks at it', reasonText)
    .option('--project <id>', 'which one, for a member of several')
    .addHelpText('after', examples('quorate cancel 3f9a1c02d7 --reason "wrong branch"'))
    .action(act(run));
};

async function run(context: Context, which: string, { reason, project }: Options): Promise<Exit> {
  const { out } = context;
  const cancelled = await withClient(context, project, (client) => client.cancel(which, reason));
  out.value({ cancelled, reason });
  out.say(`Cancelled ${shortRun(cancelled)}.`);
  return exits.done;
}
