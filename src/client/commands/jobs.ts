import type { Client } from '../../member/client.ts';
import { withClient } from '../../member/commands/project-client.ts';
import { accountOf } from '../../protocol/account/index.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { notCosigned } from '../../protocol/trust/not-cosigned.ts';
import { type Context, type Define, defineCommand, whichProject } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { counted } from '../../terminal/format.ts';
import { headlineLine, jobLines, wordOnly } from './job-list.ts';
import { openBook } from './verification.ts';

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
  const {
    found,
    unread = 0,
    stories,
  } = await withClient(context, project, async (client, { dir: home }) => {
    const { jobs: found, unread, equivocations } = await client.jobs(ref);
    return { found, unread, stories: await storiesOf({ ...context, home }, client, equivocations) };
  });
  out.value(found.map((job) => ({ ...job, account: accountOf(job) })));
  for (const story of stories) out.note(story);
  if (unread > 0) out.note(`${counted(unread, 'job')} cannot be read: of a later version, or damaged.`);
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
  if (found.length > 0) out.say(colours.dim(wordOnly));
  return exits.done;
}

/** Sentences on a log of which the controller tells that it tells two stories: those that evidence proves, and the rest as its word. */
export async function storiesOf(
  context: Pick<Context, 'home' | 'out'>,
  { project, source }: Pick<Client, 'project' | 'source'>,
  told: readonly string[],
): Promise<string[]> {
  if (told.length === 0) return [];
  const book = await openBook(context, project);
  await source.revocations(book, () => []);
  const proven = book.equivocations.map(({ proves }) => proves.says);
  return [
    ...proven.map(
      (says) =>
        `The log tells two stories: what has no line of a trusted worker counts no more [LOG_EQUIVOCATED]: ${escapeLine(says, 1000)}.`,
    ),
    ...told
      .filter((says) => !proven.includes(says))
      .map(
        (says) =>
          `The controller says that the log tells two stories, and shows no evidence: ${escapeLine(says, 1000)}.`,
      ),
  ];
}
