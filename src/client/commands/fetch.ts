import { resolve } from 'node:path';
import type { FetchOptions } from '../../node/artifacts/fetch.ts';
import { whereFrom } from '../../owner/where-from.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import type { NamedRecipe } from '../../protocol/base/recipe-name.ts';
import { shellWord } from '../../protocol/base/shell-word.ts';
import type { Verification } from '../../protocol/trust/index.ts';
import { type Context, type Define, defineCommand } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { cidHint, bytes as sizeOf } from '../../terminal/format.ts';
import { checkNewFolder, NewFile } from '../../terminal/new-file.ts';
import { TransferRow } from '../../terminal/transfer-row.ts';
import { addresses, recipe, secondsOf } from '../../terminal/values.ts';
import { openBook, sayKnowledge, sayVerification } from './verification.ts';

interface Options {
  output: string;
  project?: string;
  bootstrap?: string[];
  source?: string;
  ref?: string;
  recipe?: NamedRecipe;
  maxAge?: number;
  bundleOut?: string;
  indexOut?: string;
  reports?: boolean;
}

export const fetch: Define = (program, act) =>
  defineCommand(program, 'fetch', {
    summary: 'get an artifact that can be trusted',
    description:
      "Finds an artifact and its evidence in the network, checks the evidence step by step against the project's root key, and only then writes the files. Refuses what is not trusted.",
    examples: [
      'quorate fetch bafybeig… -o tool',
      'quorate fetch bafybeig… -o tool --project 12D3KooW… --bootstrap /dns4/boot.example.org/tcp/4001/p2p/12D3KooW…',
    ],
  })
    .argument('<cid>', "the artifact; with --reports a test's run, or its reports")
    .requiredOption('-o, --output <folder>', 'where to put it: a new or empty folder')
    .option('--project <id>', "the project's root key (default: that of the project this machine knows)")
    .option('--bootstrap <address>', 'first peer of the network; repeatable', addresses)
    .option('--source <url>', 'refuse what was built from another repository')
    .option('--ref <ref>', 'refuse what was built at another branch or tag')
    .option('--recipe <file>', 'accept this job file, REPO[@COMMIT]:PATH, and no other', recipe)
    .option('--max-age <time>', 'refuse a verdict that is older: 30d, 12h', secondsOf)
    .option('--bundle-out <file>', 'keep the evidence, to check it again offline')
    .option('--index-out <file>', 'keep the list of its dependencies, for sbom and export offline')
    .option('--reports', 'get what a test put out, passed or failed; it is no artifact')
    .action(act(run));

async function run(context: Context, artifact: string, options: Options): Promise<Exit> {
  const { cid, sha256 } = await import('../../protocol/documents/base.ts');
  const isRun = options.reports === true && sha256.safeParse(artifact).success;
  if (!isRun && !cid.safeParse(artifact).success) {
    const is = `"${artifact.slice(0, 120)}" is not the CID of an artifact`;
    throw options.reports === true
      ? new QuorateError('CLI_USAGE', `${is}, nor the id of a run`, {
          hint: 'Give the whole id of the run of a test, 64 characters: quorate show <job>',
        })
      : new QuorateError('CLI_USAGE', is, {
          hint: cidHint(artifact, 'It begins with "bafy" and stands in the verdict: quorate show <job>'),
        });
  }
  const dest = resolve(context.cwd, options.output);
  await checkNewFolder(dest);
  const where = await whereFrom(context, options);
  if (options.reports === true && options.indexOut !== undefined)
    throw new QuorateError('CLI_USAGE', '--index-out goes with artifacts, and not with --reports', {
      hint: 'Leave one of them out.',
    });
  const open = async (file: string | undefined) =>
    file === undefined ? undefined : NewFile.open(resolve(context.cwd, file));
  const bundleFile = await open(options.bundleOut);
  try {
    const indexFile = await open(options.indexOut);
    try {
      const asked = { artifact, dest, where, bundleFile, indexFile };
      return await (options.reports === true ? fetchedReports : fetched)(context, asked, options);
    } finally {
      await indexFile?.[Symbol.asyncDispose]();
    }
  } finally {
    await bundleFile?.[Symbol.asyncDispose]();
  }
}

interface Asked {
  artifact: string;
  dest: string;
  where: Awaited<ReturnType<typeof whereFrom>>;
  bundleFile: NewFile | undefined;
  indexFile: NewFile | undefined;
}

async function fetched(context: Context, asked: Asked, options: Options): Promise<Exit> {
  const { artifact, dest, bundleFile, indexFile } = asked;
  const { fetchArtifact } = await import('../../node/artifacts/fetch.ts');
  const result = await withProgress(context, asked, options, (how) =>
    fetchArtifact({ ...how, artifact, withIndex: indexFile !== undefined }),
  );
  const { out } = context;
  const { verification, bundleText, bytes, written, providers, controllerUsed, index } = result;
  await bundleFile?.finish(bundleText, `The artifact is in ${dest}.`);
  if (index !== undefined) await indexFile?.finish(index, `The artifact is in ${dest}.`);
  else if (indexFile !== undefined)
    out.note('The artifact was built without dependencies: there is no index.');
  out.value({ artifact, folder: dest, bytes, providers, controllerUsed, verification });
  out.say(inFolder(written, bytes, dest));
  const { bundleOut, output } = options;
  if (bundleOut !== undefined) {
    const { project } = asked.where;
    out.say('To check it again, offline:');
    out.print(`  quorate verify ${shellWord(output)} --bundle ${shellWord(bundleOut)} --project ${project}`);
  }
  return exits.done;
}

/** Equal files are fetched once, so that more may be written than was fetched. */
const inFolder = (written: number, fetched: number, dest: string): string => {
  const less = written > fetched ? ` (${sizeOf(fetched)} fetched)` : '';
  return `${sizeOf(written)} in ${dest}${less}`;
};

async function fetchedReports(context: Context, asked: Asked, options: Options): Promise<Exit> {
  const { artifact: which, dest, bundleFile } = asked;
  const { fetchReports } = await import('../../node/artifacts/fetch-reports.ts');
  const result = await withProgress(context, asked, options, (how) => fetchReports({ ...how, which }));
  const { out } = context;
  const { verification, facts, reports, bundleText, bytes, written } = result;
  await bundleFile?.finish(bundleText, `The reports are in ${dest}.`);
  out.value({ reports, test: facts.name, artifact: null, folder: dest, bytes, verification });
  out.say(
    out.colours.yellow(
      'Reports are what the workers say the test wrote, and no artifact: no evidence of Quorate counts for these files. Read them; run and pass on nothing of them.',
    ),
    inFolder(written, bytes, dest),
  );
  return exits.done;
}

/** Fetches with what is known of revocations, and shows how far it is. */
async function withProgress<T>(
  context: Context,
  { where, dest }: Asked,
  { source, ref, recipe, maxAge }: Options,
  fetch: (how: Omit<FetchOptions, 'artifact'>) => Promise<T>,
): Promise<T> {
  const { NotTrusted } = await import('../../node/artifacts/fetch.ts');
  const { out, signal } = context;
  const book = await openBook(context, where.project);
  const row = new TransferRow(out);
  const onProgress: FetchOptions['onProgress'] = ({ says, bytes, total }) => row.set(says, bytes, total);
  // The proof is told before any file is fetched, and so before any is written.
  const accept = (verification: Verification) => {
    row.rest();
    sayVerification(out, verification);
    sayKnowledge(out, book);
  };
  const accepted = { source, ref, recipe, maxAge, revocations: book, accept };
  try {
    return await fetch({ ...where, ...accepted, dest, signal, onProgress }).finally(() => row.end());
  } catch (error) {
    if (error instanceof NotTrusted) sayVerification(out, error.verification);
    throw error;
  }
}
