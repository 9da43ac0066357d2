import { QuorateError } from '../../core/errors.ts';
import { type Context, type Define, examples } from '../context.ts';
import { type Exit, exits } from '../exit-codes.ts';
import { openProject } from '../project.ts';
import { gitServers } from '../values.ts';

interface Options {
  vcs?: string[];
  anyVcs?: boolean;
}

export const charter: Define = (program, act) => {
  const group = program
    .command('charter')
    .summary('change what the root key signed')
    .description(
      'The charter says who runs the project and where source may come from; the root key signs it.',
    )
    .addHelpText('after', examples('quorate charter set --vcs git.example.org'));
  group
    .command('set')
    .summary('sign the next charter')
    .description(
      'Signs the next version of the charter with the root key, which must be in .quorate/ for it. A running controller takes it over at once, workers with the next offer.',
    )
    .option(
      '--vcs <host>',
      'server a job may fetch source from, as host or host:port, in place of those before; repeatable',
      gitServers,
    )
    .option('--any-vcs', 'source may come from any server of the open internet')
    .addHelpText(
      'after',
      examples(
        'quorate charter set --vcs git.example.org --vcs 192.168.1.5:3000',
        'quorate charter set --any-vcs',
      ),
    )
    .action(act(set));
};

async function set({ cwd, out }: Context, { vcs, anyVcs = false }: Options): Promise<Exit> {
  if ((vcs !== undefined) === anyVcs)
    throw new QuorateError('CLI_USAGE', 'say which servers source may come from: --vcs, or else --any-vcs', {
      hint: 'Name all of them: they take the place of those before.',
    });
  const folder = await openProject(cwd);
  const { setVcs } = await import('../../runtime/membership/project-folder.ts');
  const { before, now, changed } = await setVcs(folder, vcs ?? []);
  out.value({ project: folder.project, epoch: now.epoch, vcs: now.vcs, before: before.vcs, changed });
  if (!changed) {
    out.say(`Source may come from ${shown(now.vcs)}, as before: nothing was signed.`);
    return exits.done;
  }
  out.say(
    `Signed the charter of epoch ${now.epoch}. Source may come from ${shown(now.vcs)}.`,
    `Before: ${shown(before.vcs)}.`,
    'A running controller takes it over at once, workers with the next offer.',
  );
  const gone = before.vcs.filter((server) => !now.vcs.includes(server));
  if (now.vcs.length > 0 && (gone.length > 0 || before.vcs.length === 0))
    out.say(
      out.colours.yellow('Jobs that are under way and build from other servers are not co-signed any more.'),
    );
  return exits.done;
}

const shown = (vcs: readonly string[]): string =>
  vcs.length === 0 ? 'any server of the open internet' : vcs.join(', ');
