import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Bundle } from '../../core/documents/index.ts';
import { QuorateError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { type Context, type Define, examples } from '../context.ts';
import { type Exit, exits } from '../exit-codes.ts';
import { sayVerification } from '../verification.ts';

interface Options {
  project: string;
  artifact?: string;
  source?: string;
  ref?: string;
}

export const verify: Define = (program, act) => {
  program
    .command('verify')
    .summary('check evidence offline')
    .description(
      "Checks the evidence that came with an artifact, without a network, from nothing but the project's root key.",
    )
    .argument('<bundle>', 'the file that fetch --bundle-out wrote')
    .requiredOption('--project <id>', "the project's root key")
    .option('--artifact <cid>', 'it must be about this artifact')
    .option('--source <url>', 'it must have been built from this repository')
    .option('--ref <ref>', 'at this branch or tag')
    .addHelpText('after', examples('quorate verify tool.bundle --project 12D3KooW…'))
    .action(act(run));
};

async function run({ cwd, out }: Context, file: string, options: Options): Promise<Exit> {
  const { decodeBundle, publicKeyOf } = await import('../../core/documents/index.ts');
  const { verifyBundle } = await import('../../core/trust/index.ts');
  const { joseVerifier } = await import('../../identity/verifier.ts');
  publicKeyOf(options.project);
  const text = await readBounded(resolve(cwd, file));
  let bundle: Bundle;
  try {
    bundle = decodeBundle(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new QuorateError('BUNDLE_UNREADABLE', `${file} proves nothing: ${why}`, { cause });
  }
  const verification = await verifyBundle(bundle, options, joseVerifier);
  out.value(verification);
  sayVerification(out, verification);
  return verification.ok && verification.level === 'trusted' ? exits.done : exits.no;
}

async function readBounded(file: string): Promise<string> {
  const handle = await open(file).catch((cause: unknown) => {
    throw new QuorateError('CLI_FILE_UNREADABLE', `cannot read ${file}`, { cause });
  });
  try {
    const { size } = await handle.stat();
    if (size > limits.bundleBytesMax) {
      throw new QuorateError(
        'CLI_FILE_TOO_LARGE',
        `${file} has ${size} bytes; no bundle has more than ${limits.bundleBytesMax}`,
      );
    }
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}
