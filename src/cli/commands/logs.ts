import { HarmlessLines, harmlessLine } from '../../core/harmless.ts';
import { type Context, type Define, examples } from '../context.ts';
import { type Exit, exits } from '../exit-codes.ts';
import { withClient } from '../member.ts';

interface Options {
  follow?: boolean;
  worker?: string;
  project?: string;
}

export const logs: Define = (program, act) => {
  program
    .command('logs')
    .summary('print what builds of a job wrote')
    .description(
      'Prints what the builds of a job wrote, each line with its operator. Control characters are shown, never obeyed. While a round is sealed only publishers see its logs.',
    )
    .argument('<job>', "a run's, job's or artifact's id, or the first 8 characters of it")
    .option('-f, --follow', 'go on until the verdict')
    .option('--worker <id>', "one worker's only; the end of its id is enough")
    .option('--project <id>', 'which one, for a member of several')
    .addHelpText('after', examples('quorate logs bafyreib3', 'quorate logs bafyreib3 --follow'))
    .action(act(run));
};

async function run(context: Context, which: string, options: Options): Promise<Exit> {
  const { out, signal } = context;
  const { follow = false, worker, project } = options;
  await withClient(context, project, async (client) => {
    const open = new Map<string, { head: string; lines: HarmlessLines }>();
    const wanted = { follow, signal, ...(worker === undefined ? {} : { worker }) };
    for await (const piece of client.logs(which, wanted)) {
      out.value(piece);
      if (out.json) continue;
      const key = `${piece.worker} ${piece.slot}`;
      const head = `${harmlessLine(piece.operator, 64)} ${harmlessLine(piece.slot, 20)}`;
      const source = open.get(key) ?? { head: out.colours.dim(`${head} |`), lines: new HarmlessLines() };
      open.set(key, source);
      out.say(...source.lines.push(piece.text).map((line) => `${source.head} ${line}`));
    }
    for (const { head, lines } of open.values()) out.say(...lines.end().map((line) => `${head} ${line}`));
  });
  return exits.done;
}
