import { resolve } from 'node:path';
import type { VerifiedMade } from '../../node/artifacts/made.ts';
import { whereFrom } from '../../owner/where-from.ts';
import { version } from '../../program.ts';
import { jsonPage } from '../../protocol/base/escape.ts';
import type { Bom } from '../../protocol/interop/index.ts';
import { type Context, type Define, examples } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { counted } from '../../terminal/format.ts';
import { NewFile } from '../../terminal/new-file.ts';
import { addresses } from '../../terminal/values.ts';
import { readBundle, readIndexBytes } from './bundle-file.ts';

interface Options {
  project?: string;
  bootstrap?: string[];
  index?: string;
  output?: string;
}

export const sbom: Define = (program, act) => {
  program
    .command('sbom')
    .summary('list what an artifact was made from')
    .description(
      'Writes the bill of materials of an artifact as CycloneDX 1.6 in JSON: source, image, artifacts of other jobs, and each dependency with package URL and hashes. The evidence is checked before, step by step, and the list of dependencies against the job that was signed. The same artifact and evidence give the same bytes.',
    )
    .argument('<artifact>', 'its CID, or without a network the evidence, as fetch --bundle-out wrote it')
    .option('--index <file>', 'the list of its dependencies, as fetch --index-out wrote it')
    .option('--project <id>', "the project's root key (default: that of the project this machine knows)")
    .option('--bootstrap <address>', 'first peer of the network; repeatable', addresses)
    .option('-o, --output <file>', 'where to put it; default: standard output')
    .addHelpText(
      'after',
      examples(
        'quorate sbom bafybeig… -o tool.cdx.json',
        'quorate sbom tool.bundle --index tool.index --project 12D3KooW… -o tool.cdx.json',
      ),
    )
    .action(act(run));
};

async function run(context: Context, artifact: string, options: Options): Promise<Exit> {
  const { cwd, out } = context;
  const file = options.output === undefined ? undefined : await NewFile.open(resolve(cwd, options.output));
  try {
    const made = await madeOfArtifact(context, artifact, options);
    const { makeBom } = await import('../../protocol/interop/index.ts');
    const bom = makeBom({ ...made, tool: version() });
    if (made.level !== 'trusted') out.note(`The artifact is ${made.level}, and not trusted.`);
    if (file === undefined) print(context, bom);
    else {
      await file.finish(jsonPage(bom), '');
      const components = bom.components.length;
      out.value({ file: options.output, artifact: made.facts.artifact, level: made.level, components });
      out.say(`${counted(components, 'component')} of the ${made.level} artifact ${made.facts.artifact}`);
    }
    return exits.done;
  } finally {
    await file?.drop();
  }
}

const bundleOrCid = 'Give the whole CID of an artifact, or the file that fetch --bundle-out wrote.';

function print({ out }: Context, bom: Bom): void {
  out.value(bom);
  out.say(jsonPage(bom).trimEnd());
}

async function madeOfArtifact(context: Context, artifact: string, options: Options): Promise<VerifiedMade> {
  const { cwd, home, out, signal } = context;
  const { cid } = await import('../../protocol/documents/base.ts');
  const { fetchMade, madeOf } = await import('../../node/artifacts/made.ts');
  const { openRevocationBook } = await import('../../node/membership/revocation-file.ts');
  const index = options.index === undefined ? undefined : await readIndexBytes(resolve(cwd, options.index));
  if (cid.safeParse(artifact).success) {
    const where = await whereFrom(context, options);
    const revocations = await openRevocationBook(home, where.project, ({ message }) =>
      out.note(`What was learned of revocations is not kept: ${message}`),
    );
    const onProgress = ({ says }: { says: string }) => out.note(says);
    return fetchMade(artifact, { ...where, revocations, signal, onProgress }, index);
  }
  const bundle = await readBundle(resolve(cwd, artifact), bundleOrCid);
  const { publicKeyOf } = await import('../../protocol/documents/index.ts');
  const project = options.project ?? (await whereFrom(context, options)).project;
  publicKeyOf(project);
  const { verifyBundle } = await import('../../protocol/trust/index.ts');
  const { joseVerifier } = await import('../../identity/verifier.ts');
  const { revoked: revocations } = await openRevocationBook(home, project);
  const verification = await verifyBundle(bundle, { project, revocations }, joseVerifier);
  return madeOf(bundle, verification, project, { file: index, signal });
}
