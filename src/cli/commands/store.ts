import { resolve } from 'node:path';
import { QuorateError } from '../../core/errors.ts';
import { type Context, type Define, examples } from '../context.ts';
import { type Exit, exits } from '../exit-codes.ts';
import { findProject } from '../project.ts';

interface Options {
  worker?: boolean;
}

export const store: Define = (program, act) => {
  const group = program
    .command('store')
    .summary('give up a damaged tree of a store')
    .description(
      'A tree that is to be kept and is damaged is fetched again from peers, and nothing is removed from the store before. If nobody has it any more, it can be given up.',
    )
    .addHelpText('after', examples('quorate store forget bafybei…'));
  group
    .command('forget')
    .summary('keep a tree no longer')
    .description(
      'Drops all pins of a tree, so that what is left of it is removed at the next sweep. Its node must not run. In a project it is the store of the controller, elsewhere that of the home folder.',
    )
    .argument('<cid>', 'the tree, as the event "damaged" names it')
    .option('--worker', 'the store of the home folder, in a project too')
    .addHelpText('after', examples('quorate store forget bafybei…', 'quorate store forget bafybei… --worker'))
    .action(act(forget));
};

async function forget({ cwd, home, out }: Context, root: string, options: Options): Promise<Exit> {
  const { cid } = await import('../../core/documents/base.ts');
  if (!cid.safeParse(root).success)
    throw new QuorateError('CLI_USAGE', `"${root.slice(0, 120)}" is not the CID of a tree`, {
      hint: 'The event "damaged" names it, and so does quorate worker status.',
    });
  const project = options.worker === true ? undefined : findProject(cwd);
  const dir = resolve(project === undefined ? home : resolve(project, '.quorate'), 'store');
  const { forgetTree } = await import('../../runtime/artifacts/forget-tree.ts');
  const names = await forgetTree(dir, root);
  out.value({ forgotten: root, store: dir, names });
  out.say(`${root} is kept no longer in ${dir}: it was pinned as ${names.join(', ')}.`);
  return exits.done;
}
