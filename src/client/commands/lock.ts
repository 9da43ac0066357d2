import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { escapeLine } from '../../protocol/base/escape.ts';
import { type Context, type Define, defineCommand } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { counted } from '../../terminal/format.ts';
import { NewFile } from '../../terminal/new-file.ts';
import { textOf } from '../../terminal/values.ts';
import type { FixingOptions } from '../lock.ts';
import { DependenciesShown } from './bring-dependencies.ts';

export const lock: Define = (program, act) => {
  const command = defineCommand(program, 'lock', {
    summary: 'write quorate.lock: what lock files leave open',
    description:
      'Fixes what the lock files of quorate.yaml leave open, in quorate.lock: which file of a Python package is meant, the sha256 of an entry that has no hash, or a broken one, the archive of a git dependency. Nothing is published. Commit quorate.lock: every worker reads it from its own checkout.',
    examples: ['quorate lock', 'quorate lock --check', 'quorate lock add https://files.example/model.bin'],
  })
    .argument('[locks...]', 'lock files, from the top of the repository (default: those of quorate.yaml)')
    .option('--check', 'write and fetch nothing, and fail where something is open')
    .option('--python <version>', 'take wheels for this version of Python only, such as 3.13', pythonVersion)
    .action(act(run));
  defineCommand(command, 'add', {
    summary: 'add a file at an address',
    description:
      'Fetches a file, and adds its name, address and sha256 to quorate.lock. A job that names quorate.lock under dependencies finds it in $QUORATE_FILES.',
    examples: ['quorate lock add https://files.example/v2/model.bin --name model-2.bin'],
  })
    .argument('<url>', 'address of the file, http or https', webAddress)
    .option(
      '--name <name>',
      'name that the build finds it by (default: the last part of the address)',
      fileName,
    )
    .action(act(add));
};

const pythonVersion = textOf(/^\d\.\d{1,2}$/, 'Give major and minor version: 3.13');

function webAddress(text: string): string {
  if (/^https?:\/\//i.test(text) && URL.canParse(text)) return text;
  throw new InvalidArgumentError('Give the address of a file: https://files.example/model.bin');
}

const fileName = textOf(
  /^[A-Za-z0-9_][A-Za-z0-9._+@-]*$/,
  'Give the name of a file, of letters, digits and . _ + @ -, without a folder.',
);

interface Options {
  check?: boolean;
  python?: string;
}

async function run(context: Context, given: string[], options: Options): Promise<Exit> {
  const { cwd, out } = context;
  const { checkLocks, completeLocks, locksOfJobs } = await import('../lock.ts');
  const locks = given.length > 0 ? given : await locksOfJobs(cwd);
  if (options.check === true) {
    const files = await checkLocks(cwd, locks);
    out.value({ locks, files, open: 0 });
    out.say(`Nothing is open: ${names(locks)} ${counted(files, 'file')}, each with its hash.`);
    return exits.done;
  }
  const made = await withProgress(context, { python: options.python }, (fixing) =>
    completeLocks(cwd, locks, fixing),
  );
  for (const { of, files, why } of made.fixed) {
    out.say(`${escapeLine(of.lock, 200)}:${of.line}: ${escapeLine(of.purl, 300)}: ${why}`);
    for (const { file, sha256 } of files) out.say(`  ${file}  sha256:${sha256}`);
  }
  const fixed = made.fixed.flatMap(({ files }) => files);
  out.value({ locks, fixed, kept: made.kept.length, written: made.text !== undefined });
  if (made.text === undefined) {
    out.say(`Nothing is open in ${names(locks)}: no quorate.lock is needed.`);
    return exits.done;
  }
  await write(cwd, made.text);
  out.say(`quorate.lock: ${counted(fixed.length, 'file')} fixed, ${made.kept.length} kept. Commit it.`);
  return exits.done;
}

const names = (locks: readonly string[]): string => locks.map((path) => escapeLine(path, 200)).join(', ');

async function add(context: Context, url: string, { name: given }: { name?: string }): Promise<Exit> {
  const { cwd, out } = context;
  const { addToLock } = await import('../lock.ts');
  const { fileOfUrl } = await import('../../protocol/lock-formats/index.ts');
  const name = given ?? fileOfUrl(url);
  const { text, record } = await withProgress(context, {}, (fixing) => addToLock(cwd, { url, name }, fixing));
  await write(cwd, text);
  out.value({ added: record });
  out.say(
    `quorate.lock: ${record.file}  sha256:${record.sha256}`,
    `Commit it. A job with quorate.lock under dependencies finds the file as "$QUORATE_FILES/${record.file}".`,
  );
  if (!existsSync(join(cwd, '.git')))
    out.note(`Jobs read the quorate.lock at the top of a repository; ${cwd} is none.`);
  return exits.done;
}

async function withProgress<T>(
  { home, out, signal, env }: Context,
  more: Pick<FixingOptions, 'python'>,
  use: (options: FixingOptions) => Promise<T>,
): Promise<T> {
  const shown = new DependenciesShown(out);
  const cache = join(home, 'dependencies');
  try {
    return await use({ cache, env, signal, onProgress: shown.progress, ...more });
  } finally {
    shown.end();
  }
}

async function write(folder: string, text: string): Promise<void> {
  const file = await NewFile.open(join(folder, 'quorate.lock'));
  try {
    await file.finish(text, 'Nothing was written.');
  } finally {
    await file[Symbol.asyncDispose]();
  }
}
