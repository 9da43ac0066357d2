import { realpathSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { Option } from 'commander';
import { QuorateError } from '../../protocol/base/errors.ts';
import { type Context, type Define, examples } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import type { SideAsked } from '../comparison/sides.ts';
import { type CompareOptions, compareSides } from './compare-sides.ts';

export const diff: Define = (program, act) => {
  program
    .command('diff')
    .summary('tell where two artifacts differ')
    .description(
      'Compares two artifacts, two folders, or one of each: names, kinds, modes, sizes, targets of links, and where the bytes of a file begin to differ. Then shows the files in diffoscope, where that is installed (Debian: diffoscope-minimal), in a sandbox. Takes artifacts from the stores of this machine, else from peers, whatever their level: nothing of them is written or run. Of a run whose results differ: who came to which, on what, their logs side by side, and the artifacts.',
    )
    .argument('<a>', "an artifact's CID, or a folder; alone: the run whose results differ")
    .argument('[b]', 'the same, to compare it with')
    .option('--no-diffoscope', 'do without diffoscope')
    .addOption(
      new Option('--tier <tier>', "the sandbox of diffoscope; namespace shares this machine's kernel")
        .choices(['gvisor', 'namespace'])
        .default('gvisor'),
    )
    .option('--project <id>', 'whose peers to ask, where this machine knows several')
    .addHelpText(
      'after',
      examples('quorate diff bafybeia… bafybeib…', 'quorate diff bafybeia… ./out', 'quorate diff 3f9a1c02d7'),
    )
    .action(act(run));
};

async function run(
  context: Context,
  a: string,
  b: string | undefined,
  options: CompareOptions,
): Promise<Exit> {
  if (b === undefined) {
    // Ids of runs have neither; names of folders in the way are given with both sides.
    if (/^\.|\//.test(a) || a.startsWith('bafybei')) {
      throw new QuorateError('CLI_USAGE', 'one side alone is compared with nothing', {
        hint: 'Give two artifacts or folders, or the run that is in dispute.',
      });
    }
    const { compareRun } = await import('./run-comparison.ts');
    return (await compareRun(context, a, options)) ? exits.no : exits.done;
  }
  const { cid } = await import('../../protocol/documents/base.ts');
  const sideOf = (text: string): SideAsked =>
    cid.safeParse(text).success
      ? { kind: 'artifact', cid: text }
      : { kind: 'folder', path: folderOf(context.cwd, text) };
  return (await compareSides(context, [sideOf(a), sideOf(b)], options)) ? exits.no : exits.done;
}

function folderOf(cwd: string, text: string): string {
  const path = resolve(cwd, text);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return realpathSync(path);
  throw new QuorateError(
    'CLI_USAGE',
    `"${text.slice(0, 200)}" is neither the CID of an artifact nor a folder`,
    {
      hint: 'CIDs begin with "bafy" and stand in verdicts and results: quorate show <job>',
    },
  );
}
