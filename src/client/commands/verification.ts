import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { codeOf, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { sizeTexts } from '../../protocol/base/quantity.ts';
import type { Bundle } from '../../protocol/documents/index.ts';
import type { RevocationBook } from '../../protocol/sessions/revocation-book.ts';
import type { Verification } from '../../protocol/trust/index.ts';
import { sayFull } from '../../protocol/trust/key-texts.ts';
import { reportOf } from '../../protocol/trust/report.ts';
import type { Context } from '../../terminal/context.ts';
import { counted, duration } from '../../terminal/format.ts';
import type { Output } from '../../terminal/output.ts';

const bundleHint = 'Name the file that fetch --bundle-out wrote.';

/** Reads a bundle, an untrusted file. `hint`: which file is meant. @throws {QuorateError} `CLI_FILE_…`, `BUNDLE_UNREADABLE` */
export async function readBundle(file: string, hint = bundleHint): Promise<Bundle> {
  const { decodeBundle } = await import('../../protocol/documents/index.ts');
  const text = await readText(file, hint);
  try {
    return decodeBundle(text);
  } catch (cause) {
    throw new QuorateError('BUNDLE_UNREADABLE', `${file} proves nothing: ${messageOf(cause)}`, {
      hint:
        codeOf(cause) === 'DOC_NEWER'
          ? 'Update Quorate; or fetch the artifact again, with --bundle-out.'
          : 'Fetch the artifact again, with --bundle-out.',
      cause,
    });
  }
}

/** Reads the file that fetch --index-out wrote, which is not checked here. @throws {QuorateError} `CLI_FILE_…` */
export async function readIndexBytes(file: string): Promise<Uint8Array> {
  const { artifactLimits } = await import('../../node/artifacts/limits.ts');
  const hint = 'Name the file that fetch --index-out wrote.';
  return readBytes(file, hint, artifactLimits.indexFileBytesMax);
}

/** The text of a file from elsewhere, bounded. `hint`: which file is meant. @throws {QuorateError} `CLI_FILE_…` */
export async function readText(file: string, hint: string): Promise<string> {
  return (await readBytes(file, hint, limits.bundleBytesMax)).toString('utf8');
}

async function readBytes(file: string, hint: string, bytesMax: number): Promise<Buffer> {
  // Without O_NONBLOCK, opening a named pipe blocks until a process writes to it.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: unknown) => {
    throw new QuorateError('CLI_FILE_UNREADABLE', `cannot read ${file}: ${messageOf(cause)}`, {
      hint: `${hint} This user must be able to read it.`,
      cause,
    });
  });
  try {
    return await readWhole(handle, file, hint, bytesMax);
  } finally {
    await handle.close();
  }
}

async function readWhole(handle: FileHandle, file: string, hint: string, bytesMax: number): Promise<Buffer> {
  const stats = await handle.stat();
  // The size of a pipe or a device is unknown.
  if (!stats.isFile()) throw new QuorateError('CLI_FILE_UNREADABLE', `${file} is not a file`, { hint });
  if (stats.size > bytesMax) {
    const [size, most] = sizeTexts(stats.size, bytesMax);
    throw new QuorateError('CLI_FILE_UNREADABLE', `${file} has ${size}; at most ${most} are read`, { hint });
  }
  return handle.readFile();
}

/** The revocations of a project in this home. What is learned of them, or `of` something else, and cannot be kept, is noted. */
export async function openBook(
  { home, out }: Pick<Context, 'home' | 'out'>,
  project: string,
  of = 'revocations',
): Promise<RevocationBook> {
  const { openRevocationBook } = await import('../../node/membership/revocation-file.ts');
  return openRevocationBook(home, project, ({ message }) =>
    out.note(`What was learned of ${of} is not kept: ${message}`),
  );
}

/** Verifies a bundle with the revocations in this home. @throws {QuorateError} `KEY_INVALID`, `HOME_…` */
export async function checkBundle(
  context: Pick<Context, 'home' | 'out'>,
  bundle: Bundle,
  project: string,
): Promise<Verification> {
  const { publicKeyOf } = await import('../../protocol/documents/index.ts');
  const { verifyBundle } = await import('../../protocol/trust/index.ts');
  const { joseVerifier } = await import('../../identity/verifier.ts');
  publicKeyOf(project);
  const { revoked: revocations } = await openBook(context, project);
  return verifyBundle(bundle, { project, revocations }, joseVerifier);
}

export function sayVerification(out: Output, result: Verification): void {
  const { green, red, bold, yellow } = out.colours;
  for (const line of reportOf(result)) {
    if (line.kind === 'step') out.say(`  ${line.ok ? green('ok') : red('no')} ${line.step}: ${line.says}`);
    else if (line.kind === 'level') out.say(bold((line.level === 'trusted' ? green : red)(line.level)));
    else if (line.kind === 'fact') out.say(`  ${line.label.padEnd(9)} ${line.says}`);
    else out.say(`  ${yellow(line.says)}`);
  }
}

/** Age of the revocations that are known here, and keys of which some may be missing. */
export function sayKnowledge(
  out: Output,
  { size, askedAt, full }: Pick<RevocationBook, 'size' | 'askedAt' | 'full'>,
): void {
  for (const key of full)
    out.note(
      out.colours.red(
        `ALARM: ${sayFull(key)}. What else it revoked is not known here; tell the owner of the project`,
      ),
    );
  const asked =
    askedAt === null
      ? 'nobody was asked yet (--online asks)'
      : `last asked ${duration(Math.max(0, Date.now() - askedAt))} ago`;
  out.say(
    `  revoked   ${size === 0 ? 'nothing that is known here' : `${counted(size, 'revocation')} known here`}; ${asked}`,
  );
}
