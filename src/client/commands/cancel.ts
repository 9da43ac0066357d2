import type { Client } from '../../member/client.ts';
import { withClient } from '../../member/commands/project-client.ts';
import { codeOf, QuorateError } from '../../protocol/base/errors.ts';
import { type Context, type Define, defineCommand, whichProject } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { shortRun } from '../../terminal/format.ts';
import { reasonText } from '../../terminal/values.ts';

interface Options {
  reason?: string;
  pipeline?: boolean;
  project?: string;
}

export const cancel: Define = (program, act) =>
  defineCommand(program, 'cancel', {
    summary: 'end a job without a verdict',
    description:
      'Ends a job that this machine published: its builds stop, and nothing more comes of it. Jobs that rest on it end with the same reason. What was published before stays.',
    examples: ['quorate cancel 3f9a1c02d7', 'quorate cancel 3f9a1c02d7 --reason "wrong branch"'],
  })
    .argument('<job>', "a run's or job's id, or the first 8 characters of it")
    .option('--reason <text>', 'why, for everybody who looks at it (default: who cancelled it)', reasonText)
    .option('--pipeline', 'end all jobs of its pipeline that are not over')
    .option(...whichProject)
    .action(act(run));

async function run(
  context: Context,
  which: string,
  { reason: given, pipeline = false, project }: Options,
): Promise<Exit> {
  const { out } = context;
  await withClient(context, project, async (client) => {
    const reason = given ?? `by ${client.operator}`;
    const ids = pipeline ? await openRuns(client, which) : [which];
    for (const id of ids) {
      const cancelled = await client.cancel(id, reason).catch((error: unknown) => {
        // It rested on one that was cancelled before it, or ended by itself.
        if (!pipeline || codeOf(error) !== 'RUN_OVER') throw error;
        return undefined;
      });
      if (cancelled === undefined) continue;
      out.value({ cancelled, reason });
      out.say(`Cancelled ${shortRun(cancelled)}.`);
    }
  });
  return exits.done;
}

/** Those of a pipeline that are not over, each before what it rests on: so each ends with the reason that is given. */
async function openRuns(client: Client, which: string): Promise<string[]> {
  const open = (await client.show(which)).pipeline.filter(
    ({ state }) => state !== 'done' && state !== 'cancelled',
  );
  if (open.length === 0)
    throw new QuorateError('RUN_OVER', 'every job of this pipeline is over', {
      hint: `quorate show ${which} tells what came of it.`,
    });
  return open.map(({ run: id }) => id).reverse();
}
