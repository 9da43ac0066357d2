import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { NodeKey } from '../../identity/keys.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import type { Bundle } from '../../protocol/documents/index.ts';
import type { Made } from '../../protocol/interop/index.ts';
import type { VerifiedFacts } from '../../protocol/trust/index.ts';
import { type Context, type Define, defineCommand } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { checkNewFolder } from '../../terminal/new-file.ts';
import { checkBundle, readBundle, readIndexBytes, sayVerification } from './verification.ts';

interface Options {
  output: string;
  project: string;
  inToto?: boolean;
  cosign?: boolean;
  provenance?: boolean;
  index?: string;
  key?: string;
  files?: string;
}

export const exportEvidence: Define = (program, act) =>
  defineCommand(program, 'export', {
    summary: "write evidence for others' tools",
    description:
      'Checks a bundle as verify does and writes what it rests on in the forms that in-toto and cosign read, with the keys they need.',
    examples: [
      'quorate export tool.bundle --project 12D3KooW… --in-toto -o evidence',
      'quorate export tool.bundle --project 12D3KooW… --cosign --files tool -o evidence',
      'quorate export tool.bundle --project 12D3KooW… --provenance --index tool.index -o evidence',
    ],
  })
    .argument('<bundle>', 'the evidence, as fetch --bundle-out wrote it')
    .requiredOption('--project <id>', "the project's root key")
    .requiredOption('-o, --output <folder>', 'where to put it: a new or empty folder')
    .option('--in-toto', 'a layout with a threshold, and the links of the operators that count')
    .option('--provenance', 'SLSA provenance of the artifact, which names each dependency')
    .option('--index <file>', 'with --provenance: the list of dependencies, as fetch --index-out wrote it')
    .option('--key <file>', 'the key (PEM) that signs layout and provenance; default: one made for it')
    .option('--cosign', 'every receipt and the verdict as DSSE envelopes, with the keys of their signers')
    .option(
      '--files <folder>',
      "with --cosign: the artifact, to write the block that its tree's digest is of",
    )
    .action(act(run));

async function run(context: Context, file: string, options: Options): Promise<Exit> {
  const { cwd, out, signal } = context;
  const { publicKeyOf } = await import('../../protocol/documents/index.ts');
  checkOptions(options);
  publicKeyOf(options.project);
  const dest = resolve(cwd, options.output);
  await checkNewFolder(dest);
  const bundle = await readBundle(resolve(cwd, file));
  const verification = await checkBundle(context, bundle, options.project);
  const { facts } = verification;
  if (facts === null) {
    out.value({ verification });
    sayVerification(out, verification);
    return exits.no;
  }
  const isForOthers = options.inToto === true || options.provenance === true;
  if (isForOthers && facts.kind !== 'test' && verification.level !== 'trusted')
    throw new QuorateError('EXPORT_NOT_TRUSTED', `the artifact is ${verification.level}, and not trusted`, {
      hint: 'Once it is: quorate fetch <cid> --bundle-out <file>, and export that.',
    });
  const { generateSeed, keyFromSeed, loadKey } = await import('../../identity/keys.ts');
  const given = options.key === undefined ? undefined : await loadKey(resolve(cwd, options.key));
  const key = given ?? keyFromSeed(generateSeed());
  const exported: Exported = { files: new Map(), commands: [] };
  const { files, commands } = exported;
  if (options.inToto === true) await inToto(exported, bundle, facts, key, given !== undefined);
  if (options.cosign === true) await cosign(exported, bundle, facts);
  if (options.provenance === true) {
    const file = options.index === undefined ? undefined : await readIndexBytes(resolve(cwd, options.index));
    const { madeOf } = await import('../../node/artifacts/made.ts');
    await provenance(exported, await madeOf(bundle, verification, options.project, { file, signal }), key);
  }
  if (options.files !== undefined)
    files.set('tree.block', await rootBlock(resolve(cwd, options.files), facts.artifact, signal));
  for (const [name, content] of files) {
    await mkdir(resolve(dest, name, '..'), { recursive: true });
    await writeFile(join(dest, name), content);
  }
  out.value({ folder: dest, files: [...files.keys()], commands, verification });
  out.say(
    `${files.size} files in ${dest}. The evidence comes to ${verification.level}. In that folder:`,
    ...commands.map((line) => `  ${line}`),
  );
  return exits.done;
}

function checkOptions({ inToto, cosign, provenance, index, key, files }: Options): void {
  const wrong =
    inToto !== true && cosign !== true && provenance !== true
      ? 'say for which tool: --in-toto, --cosign or --provenance'
      : key !== undefined && inToto !== true && provenance !== true
        ? '--key signs a layout or a provenance: it goes with --in-toto or --provenance'
        : files !== undefined && cosign !== true
          ? '--files goes with --cosign'
          : index !== undefined && provenance !== true
            ? '--index goes with --provenance'
            : undefined;
  if (wrong !== undefined)
    throw new QuorateError('CLI_USAGE', wrong, { hint: 'quorate export --help shows how they go together.' });
}

interface Exported {
  files: Map<string, string | Uint8Array>;
  /** Commands that use the files, run in the folder. */
  commands: string[];
}

async function inToto(
  { files, commands }: Exported,
  bundle: Bundle,
  facts: VerifiedFacts,
  key: NodeKey,
  isGiven: boolean,
): Promise<void> {
  const { linksOf, makeLayout, productFolder, signLayout } = await import('../../protocol/interop/index.ts');
  const { joseVerifier } = await import('../../identity/verifier.ts');
  const { publicPemOf } = await import('../../identity/pem.ts');
  const { builders, trusted, signers } = await linksOf(bundle, facts, joseVerifier);
  const by = isGiven
    ? `Signed by ${key.id}.`
    : 'Signed with a temporary key: it records that this export verified the evidence. Use it only in a folder that you exported yourself.';
  const layout = makeLayout({
    builders: builders.map(({ worker }) => worker),
    agree: facts.policy.agree,
    trusted: trusted.map(({ worker }) => worker),
    signers,
    files: facts.files.map(({ path }) => path),
    readme: `${facts.repo} at ${facts.ref} (${facts.commit}), as ${facts.policy.agree} of ${facts.policy.of} operators built it. ${by}`,
  });
  files.set('layout.json', await signLayout(layout, key.signer));
  files.set('layout.pub', publicPemOf(key.id));
  for (const { file, envelope } of [...builders, ...trusted]) files.set(file, envelope);
  commands.push(`cp -r <the artifact> ${productFolder}`);
  commands.push('in-toto-golang verify --layout layout.json --layout-keys layout.pub --link-dir .');
}

async function provenance({ files, commands }: Exported, made: Made, key: NodeKey): Promise<void> {
  const { makeProvenance, signProvenance } = await import('../../protocol/interop/index.ts');
  const { publicPemOf } = await import('../../identity/pem.ts');
  files.set('provenance.dsse.json', await signProvenance(makeProvenance(made), key.signer));
  files.set('provenance.pub', publicPemOf(key.id));
  commands.push(cosignCommand('provenance.pub', 'provenance.dsse.json', 'slsaprovenance1'));
}

const cosignCommand = (key: string, signature: string, type: string): string =>
  `cosign verify-blob-attestation --key ${key} --signature ${signature} --type ${type} --insecure-ignore-tlog <a file of the artifact>`;

async function cosign({ files, commands }: Exported, bundle: Bundle, facts: VerifiedFacts): Promise<void> {
  const { builtIn } = await import('../../protocol/interop/index.ts');
  const { openStatement } = await import('../../protocol/documents/index.ts');
  const { joseVerifier } = await import('../../identity/verifier.ts');
  const { publicPemOf } = await import('../../identity/pem.ts');
  const add = (envelope: string, signers: readonly string[], type: string, raw: string) => {
    files.set(envelope, raw);
    for (const signer of signers) {
      files.set(`${signer}.pub`, publicPemOf(signer));
      commands.push(cosignCommand(`${signer}.pub`, envelope, type));
    }
  };
  const built = builtIn(bundle, facts);
  for (const [n, { envelope }] of built.receipts.entries()) {
    const { payload, signers } = await openStatement('receipt', envelope, joseVerifier);
    const { operator } = payload.predicate.quorate_receipt;
    add(`receipt-${n}-${operator}.dsse.json`, signers, 'slsaprovenance1', envelope);
  }
  const verdicts = [['verdict.dsse.json', bundle.verdict]];
  if (built !== bundle) verdicts.push(['earlier-verdict.dsse.json', built.verdict]);
  for (const [name = '', raw = ''] of verdicts) {
    const { payload, signers } = await openStatement('verdict', raw, joseVerifier);
    add(name, signers, payload.predicateType, raw);
  }
}

/** The root block of the tree: its sha256 is the subject of the tree in a receipt. */
async function rootBlock(path: string, artifact: string | null, signal: AbortSignal): Promise<Uint8Array> {
  const { fingerprintOf } = await import('../../store/fingerprint.ts');
  const held = await fingerprintOf(path, signal);
  if (held.kind === 'tree' && held.cid === artifact) return held.rootBlock;
  const is = held.kind === 'tree' ? held.cid : 'a file';
  const message = `${path} is ${is}; the evidence is about ${artifact ?? 'no artifact'}`;
  throw new QuorateError('EXPORT_MISMATCH', message, {
    hint: 'Name the folder that fetch wrote together with this bundle, unchanged; or fetch it again.',
  });
}
