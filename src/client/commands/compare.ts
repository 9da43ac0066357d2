import { realpathSync, statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { Option } from 'commander';
import { QuorateError } from '../../protocol/base/errors.ts';
import { type Context, type Define, examples } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import type { SideAsked } from '../comparison/sides.ts';
import type { CompareOptions } from './compare-sides.ts';

export const compare: Define = (program, act) => {
  program
    .command('compare')
    .summary('tell whether a file from elsewhere is what was built')
    .description(
      'Compares an artifact, or a file of it, with a file or folder of this machine. Says that they are the same, the same after a named normalisation (compressed again by gzip or zip; order and times of the members of a tar or zip), or different, and in what. An archive within an archive is not opened. Nothing of either side is written or run.',
    )
    .argument(
      '<artifact>',
      "an artifact's CID, or <cid>/<path> of a file or folder in it; or a file or folder here",
    )
    .argument('<file>', 'the file or folder to compare with')
    .option('--no-diffoscope', 'do without diffoscope')
    .addOption(
      new Option('--tier <tier>', "the sandbox of diffoscope; namespace shares this machine's kernel")
        .choices(['gvisor', 'namespace'])
        .default('gvisor'),
    )
    .option('--project <id>', 'whose peers to ask, where this machine knows several')
    .addHelpText(
      'after',
      examples(
        'quorate compare bafybeia… p-map-7.0.6.tgz',
        'quorate compare bafybeia…/dist/tool ./tool',
        'quorate compare bafybeia… ./unpacked',
      ),
    )
    .action(act(run));
};

async function run(context: Context, a: string, b: string, options: CompareOptions): Promise<Exit> {
  const { compareWithFile } = await import('./comparison-report.ts');
  const right = await here(context.cwd, b);
  if (right === undefined) throw nothing(b, 'neither a file nor a folder of this host', fileSecond);
  const left = await artifactOf(context.cwd, a);
  const name = basename(resolve(context.cwd, b));
  const result = await compareWithFile(context, { ...left, right, name }, options);
  return { same: exits.done, normalised: exits.lookAt, different: exits.no }[result];
}

async function artifactOf(cwd: string, text: string): Promise<{ left: SideAsked; path: string }> {
  const { cid } = await import('../../protocol/documents/base.ts');
  const [first = '', ...rest] = text.split('/');
  if (cid.safeParse(first).success) return { left: { kind: 'artifact', cid: first }, path: rest.join('/') };
  const left = await here(cwd, text);
  if (left === undefined) throw nothing(text, 'neither the CID of an artifact nor a file or folder');
  return { left, path: '' };
}

async function here(cwd: string, text: string): Promise<SideAsked | undefined> {
  const path = resolve(cwd, text);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory()) return { kind: 'folder', path: realpathSync(path) };
  return found?.isFile() ? { kind: 'file', path } : undefined;
}

const cidFirst = 'CIDs begin with "bafy" and stand in verdicts and results: quorate show <job>';
const fileSecond =
  'The artifact comes first, the file or folder second; quorate diff compares two artifacts.';

const nothing = (text: string, what: string, hint = cidFirst): QuorateError =>
  new QuorateError('CLI_USAGE', `"${text.slice(0, 200)}" is ${what}`, { hint });
