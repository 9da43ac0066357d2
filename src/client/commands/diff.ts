import { realpathSync, statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { Option } from 'commander';
import { QuorateError } from '../../protocol/base/errors.ts';
import { type Context, type Define, defineCommand } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { cidHint } from '../../terminal/format.ts';
import type { CompareOptions, PartGiven } from './comparison-report.ts';

export const diff: Define = (program, act) =>
  defineCommand(program, 'diff', {
    summary: 'tell whether two artifacts, files or folders are the same, and where they differ',
    description:
      'Compares two sides, each an artifact, a file or folder of one, or a file or folder of this machine, such as a package of a registry. Says that they are the same, the same after a named normalisation (compressed again by gzip or zip; order and times of the members of a tar or zip), or different, and in what: names, kinds, modes, sizes, targets of links, members of archives, and where the bytes of a file begin to differ. Then shows the files in diffoscope, where that is installed (Debian: diffoscope-minimal), in a sandbox. Takes artifacts from the stores of this machine, else from peers, whatever their level: nothing of them is written or run. Of a run whose results differ: who came to which, on what, their logs side by side, and the artifacts.',
    examples: [
      'quorate diff bafybeia… bafybeib…',
      'quorate diff bafybeia… p-map-7.0.6.tgz',
      'quorate diff bafybeia…/dist/tool ./tool',
      'quorate diff 3f9a1c02d7',
    ],
  })
    .alias('compare')
    .argument(
      '<a>',
      "an artifact's CID, or <cid>/<path> of a file or folder in it; or a file or folder here; alone: the run whose results differ",
    )
    .argument('[b]', 'the same, to compare it with')
    .option('--no-diffoscope', 'do without diffoscope')
    .addOption(
      new Option('--tier <tier>', "the sandbox of diffoscope; namespace shares this machine's kernel")
        .choices(['gvisor', 'namespace'])
        .default('gvisor'),
    )
    .option('--project <id>', 'whose peers to ask, where this machine knows several')
    .action(act(run));

async function run(
  context: Context,
  a: string,
  b: string | undefined,
  options: CompareOptions,
): Promise<Exit> {
  if (b === undefined) {
    // Ids of runs have neither; names of files in the way are given with both sides.
    if (/^\.|\//.test(a) || a.startsWith('bafybei'))
      throw new QuorateError('CLI_USAGE', 'one side alone is compared with nothing', {
        hint: 'Give two artifacts, files or folders, or the run that is in dispute.',
      });
    if (!/^(?:[0-9a-f]+|bafy\w+)$/.test(a)) {
      const found = statSync(resolve(context.cwd, a), { throwIfNoEntry: false });
      const kind = found?.isDirectory() ? 'folder' : found?.isFile() ? 'file' : undefined;
      if (kind !== undefined)
        throw new QuorateError(
          'CLI_USAGE',
          `"${a}" is a ${kind} here, and what to compare it with is missing`,
          {
            hint: 'Give the second side too: an artifact, a file or a folder.',
          },
        );
    }
    const { compareRun } = await import('./run-comparison.ts');
    return (await compareRun(context, a, options)) ? exits.no : exits.done;
  }
  const { compareSides } = await import('./comparison-report.ts');
  const parts = [await partOf(context.cwd, a), await partOf(context.cwd, b)] as const;
  const result = await compareSides(context, parts, options);
  return { same: exits.done, normalised: exits.lookAt, different: exits.no }[result];
}

/** An artifact or a path in it, else a file or folder of this host. */
async function partOf(cwd: string, text: string): Promise<PartGiven> {
  const { cid } = await import('../../protocol/documents/base.ts');
  const [first = '', ...rest] = text.split('/');
  const within = rest.join('/');
  if (cid.safeParse(first).success)
    return { asked: { kind: 'artifact', cid: first }, path: within, name: basename(within) };
  const path = resolve(cwd, text);
  const found = statSync(path, { throwIfNoEntry: false });
  const of = { path: '', name: basename(path) };
  if (found?.isDirectory()) return { asked: { kind: 'folder', path: realpathSync(path) }, ...of };
  if (found?.isFile()) return { asked: { kind: 'file', path }, ...of };
  throw new QuorateError(
    'CLI_USAGE',
    `"${text.slice(0, 200)}" is neither the CID of an artifact nor a file or folder here`,
    { hint: cidHint(first, 'CIDs begin with "bafy" and stand in verdicts and results: quorate show <job>') },
  );
}
