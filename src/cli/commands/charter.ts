import type { Charter } from '../../core/documents/index.ts';
import { QuorateError } from '../../core/errors.ts';
import type { CharterChanges } from '../../runtime/membership/project-folder.ts';
import { type Context, type Define, examples } from '../context.ts';
import { type Exit, exits } from '../exit-codes.ts';
import { openProject } from '../project.ts';
import { gitServers, wholeNumber, witnessKeys } from '../values.ts';

interface Options {
  vcs?: string[];
  anyVcs?: boolean;
  witness?: string[];
  witnessesNeeded?: number;
  /** False with `--no-witnesses`. */
  witnesses: boolean;
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
    .option(
      '--witness <key>',
      'verifier key of a witness of others (C2SP), in place of those before; repeatable',
      witnessKeys,
    )
    .option('--witnesses-needed <n>', 'how many of them must have signed the log (default: all)', wholeNumber)
    .option('--no-witnesses', 'name none any more')
    .addHelpText(
      'after',
      examples(
        'quorate charter set --vcs git.example.org --vcs 192.168.1.5:3000',
        'quorate charter set --any-vcs',
        'quorate charter set --witness witness.example.org+9f1c…+BEqM… --witnesses-needed 1',
      ),
    )
    .action(act(set));
};

async function set({ cwd, out }: Context, options: Options): Promise<Exit> {
  const changes = changesOf(options);
  const folder = await openProject(cwd);
  const { changeCharter } = await import('../../runtime/membership/project-folder.ts');
  const { before, now, changed } = await changeCharter(folder, changes);
  const { witnesses } = now;
  out.value({
    project: folder.project,
    epoch: now.epoch,
    vcs: now.vcs,
    before: before.vcs,
    ...(witnesses !== undefined && { witnesses }),
    changed,
  });
  if (!changed) {
    out.say(`${shown(now)} As before: nothing was signed.`);
    return exits.done;
  }
  out.say(
    `Signed the charter of epoch ${now.epoch}. ${shown(now)}`,
    `Before: ${shown(before)}`,
    'A running controller takes it over at once, workers with the next offer.',
  );
  const gone = before.vcs.filter((server) => !now.vcs.includes(server));
  if (now.vcs.length > 0 && (gone.length > 0 || before.vcs.length === 0) && changes.vcs !== undefined)
    out.say(
      out.colours.yellow('Jobs that are under way and build from other servers are not co-signed any more.'),
    );
  if (witnesses !== undefined && changes.witnesses !== undefined)
    out.say('Tell the controller where each is: quorate controller --witness-url NAME=URL');
  return exits.done;
}

function changesOf({ vcs, anyVcs = false, witness, witnessesNeeded, witnesses }: Options): CharterChanges {
  if (vcs !== undefined && anyVcs)
    throw new QuorateError('CLI_USAGE', 'say which servers source may come from: --vcs, or else --any-vcs', {
      hint: 'Name all of them: they take the place of those before.',
    });
  if (witness !== undefined && !witnesses)
    throw new QuorateError('CLI_USAGE', 'name witnesses with --witness, or else --no-witnesses');
  if (witnessesNeeded !== undefined && (witness === undefined || witnessesNeeded > witness.length))
    throw new QuorateError(
      'CLI_USAGE',
      '--witnesses-needed is more than the witnesses that --witness names',
      {
        hint: 'Name each with --witness: they take the place of those before.',
      },
    );
  const servers = anyVcs ? [] : vcs;
  const named =
    witness === undefined ? undefined : { need: witnessesNeeded ?? witness.length, keys: witness };
  if (servers === undefined && named === undefined && witnesses)
    throw new QuorateError(
      'CLI_USAGE',
      'say what to change: --vcs or --any-vcs, --witness or --no-witnesses',
    );
  return {
    ...(servers !== undefined && { vcs: servers }),
    ...(named !== undefined && { witnesses: named }),
    ...(!witnesses && { witnesses: null }),
  };
}

function shown({ vcs, witnesses }: Charter): string {
  const servers = vcs.length === 0 ? 'any server of the open internet' : vcs.join(', ');
  const from = `Source may come from ${servers}.`;
  if (witnesses === undefined) return from;
  const names = witnesses.keys.map((key) => key.slice(0, key.indexOf('+'))).join(', ');
  return `${from} Witnesses of the log: ${witnesses.need} of ${names}.`;
}
