import { resolve } from 'node:path';
import { QuorateError } from '../../core/errors.ts';
import { type Context, type Define, examples } from '../context.ts';
import { type Exit, exits } from '../exit-codes.ts';
import { bytes as sizeOf } from '../format.ts';
import { NewFile } from '../new-file.ts';
import { checkNewFolder } from '../new-folder.ts';
import { TransferRow } from '../transfer-row.ts';
import { addresses, secondsOf } from '../values.ts';
import { sayKnowledge, sayVerification } from '../verification.ts';
import { whereFrom } from '../where-from.ts';

interface Options {
  output: string;
  project?: string;
  bootstrap?: string[];
  source?: string;
  ref?: string;
  maxAge?: number;
  bundleOut?: string;
}

export const fetch: Define = (program, act) => {
  program
    .command('fetch')
    .summary('get an artifact that can be trusted')
    .description(
      "Finds an artifact and its evidence in the network, checks the evidence step by step against the project's root key, and only then writes the files. Refuses what is not trusted.",
    )
    .argument('<cid>', 'the artifact')
    .requiredOption('-o, --output <folder>', 'where to put it: a new or empty folder')
    .option('--project <id>', "the project's root key (default: that of the project this machine knows)")
    .option('--bootstrap <address>', 'first peer of the network; repeatable', addresses)
    .option('--source <url>', 'refuse what was built from another repository')
    .option('--ref <ref>', 'refuse what was built at another branch or tag')
    .option('--max-age <time>', 'refuse a verdict that is older: 30d, 12h', secondsOf)
    .option('--bundle-out <file>', 'keep the evidence, to check it again offline')
    .addHelpText(
      'after',
      examples(
        'quorate fetch bafybeig… -o tool',
        'quorate fetch bafybeig… -o tool --project 12D3KooW… --bootstrap /dns4/boot.example.org/tcp/4001/p2p/12D3KooW…',
      ),
    )
    .action(act(run));
};

async function run(context: Context, artifact: string, options: Options): Promise<Exit> {
  const { cid } = await import('../../core/documents/base.ts');
  if (!cid.safeParse(artifact).success) {
    throw new QuorateError('CLI_USAGE', `"${artifact.slice(0, 120)}" is not the CID of an artifact`, {
      hint: 'It begins with "bafy" and stands in the verdict: quorate show <job>',
    });
  }
  const dest = resolve(context.cwd, options.output);
  await checkNewFolder(dest);
  const where = await whereFrom(context, options);
  const bundleFile =
    options.bundleOut === undefined ? undefined : await NewFile.open(resolve(context.cwd, options.bundleOut));
  try {
    return await fetched(context, { artifact, dest, where, bundleFile }, options);
  } finally {
    await bundleFile?.drop();
  }
}

async function fetched(
  context: Context,
  {
    artifact,
    dest,
    where,
    bundleFile,
  }: {
    artifact: string;
    dest: string;
    where: Awaited<ReturnType<typeof whereFrom>>;
    bundleFile: NewFile | undefined;
  },
  options: Options,
): Promise<Exit> {
  const { fetchArtifact, NotTrusted } = await import('../../runtime/artifacts/fetch.ts');
  const { openRevocationBook } = await import('../../runtime/membership/revocation-file.ts');
  const { out, signal } = context;
  const book = await openRevocationBook(context.home, where.project, ({ message }) =>
    out.note(`What was learned of revocations is not kept: ${message}`),
  );
  const row = new TransferRow(out);
  let result: Awaited<ReturnType<typeof fetchArtifact>>;
  try {
    result = await fetchArtifact({
      artifact,
      dest,
      ...where,
      revocations: book,
      ...(options.source === undefined ? {} : { source: options.source }),
      ...(options.ref === undefined ? {} : { ref: options.ref }),
      ...(options.maxAge === undefined ? {} : { maxAge: options.maxAge }),
      signal,
      onProgress: ({ says, bytes, total }) => row.set(says, bytes, total),
    });
  } catch (error) {
    row.end();
    if (error instanceof NotTrusted) sayVerification(out, error.verification);
    throw error;
  }
  row.end();
  const { verification, bundleText, bytes, providers, controllerUsed } = result;
  await bundleFile?.finish(bundleText, `The artifact is in ${dest}.`);
  out.value({ artifact, folder: dest, bytes, providers, controllerUsed, verification });
  sayVerification(out, verification);
  sayKnowledge(out, book);
  out.say(`${sizeOf(bytes)} in ${dest}`);
  return exits.done;
}
