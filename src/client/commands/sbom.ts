import { resolve } from 'node:path';
import type { VerifiedMade } from '../../node/artifacts/made.ts';
import { whereFrom } from '../../owner/where-from.ts';
import { version } from '../../program.ts';
import { jsonPage } from '../../protocol/base/escape.ts';
import { type Context, type Define, defineCommand } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { cidHint, counted } from '../../terminal/format.ts';
import { NewFile } from '../../terminal/new-file.ts';
import { addresses } from '../../terminal/values.ts';
import { checkBundle, openBook, readBundle, readIndexBytes } from './verification.ts';

interface Options {
  project?: string;
  bootstrap?: string[];
  index?: string;
  output?: string;
}

export const sbom: Define = (program, act) =>
  defineCommand(program, 'sbom', {
    summary: 'list what an artifact was made from',
    description:
      'Writes the bill of materials of an artifact as CycloneDX 1.6 in JSON: source, image, artifacts of other jobs, and each dependency with package URL and hashes. The evidence is checked before, step by step, and the list of dependencies against the job that was signed. The same artifact and evidence give the same bytes.',
    examples: [
      'quorate sbom bafybeig… -o tool.cdx.json',
      'quorate sbom tool.bundle --index tool.index --project 12D3KooW… -o tool.cdx.json',
    ],
  })
    .argument('<artifact>', 'its CID, or without a network the evidence, as fetch --bundle-out wrote it')
    .option('--index <file>', 'the list of its dependencies, as fetch --index-out wrote it')
    .option('--project <id>', "the project's root key (default: that of the project this machine knows)")
    .option('--bootstrap <address>', 'first peer of the network; repeatable', addresses)
    .option('-o, --output <file>', 'where to put it; default: standard output')
    .action(act(run));

async function run(context: Context, artifact: string, options: Options): Promise<Exit> {
  const { cwd, out } = context;
  const { output } = options;
  const file = output === undefined ? undefined : await NewFile.open(resolve(cwd, output));
  try {
    const { level, facts, ...made } = await madeOfArtifact(context, artifact, options);
    const { makeBom } = await import('../../protocol/interop/index.ts');
    const bom = makeBom({ ...made, facts, level, tool: version() });
    if (level !== 'trusted') out.note(`The artifact is ${level}, and not trusted.`);
    if (file === undefined) {
      out.value(bom);
      out.print(jsonPage(bom).trimEnd());
    } else {
      await file.finish(jsonPage(bom), '');
      const components = bom.components.length;
      out.value({ file: output, artifact: facts.artifact, level, components });
      out.say(`${counted(components, 'component')} of the ${level} artifact ${facts.artifact}`);
    }
    return exits.done;
  } finally {
    await file?.[Symbol.asyncDispose]();
  }
}

const bundleOrCid = 'Give the whole CID of an artifact, or the file that fetch --bundle-out wrote.';

async function madeOfArtifact(context: Context, artifact: string, options: Options): Promise<VerifiedMade> {
  const { cwd, out, signal } = context;
  const { cid } = await import('../../protocol/documents/base.ts');
  const { fetchMade, madeOf } = await import('../../node/artifacts/made.ts');
  const index = options.index === undefined ? undefined : await readIndexBytes(resolve(cwd, options.index));
  if (cid.safeParse(artifact).success) {
    const where = await whereFrom(context, options);
    const revocations = await openBook(context, where.project);
    const onProgress = ({ says }: { says: string }) => out.note(says);
    return fetchMade(artifact, { ...where, revocations, signal, onProgress }, index);
  }
  const bundle = await readBundle(resolve(cwd, artifact), cidHint(artifact, bundleOrCid));
  const project = options.project ?? (await whereFrom(context, options)).project;
  const verification = await checkBundle(context, bundle, project);
  return madeOf(bundle, verification, project, { file: index, signal });
}
