import type { Bundle } from '../../protocol/documents/index.ts';
import type { RevocationBook } from '../../protocol/sessions/revocation-book.ts';
import type { Verification } from '../../protocol/trust/index.ts';
import { sayFull } from '../../protocol/trust/key-texts.ts';
import { reportOf } from '../../protocol/trust/report.ts';
import type { Context } from '../../terminal/context.ts';
import { counted, duration } from '../../terminal/format.ts';
import type { Output } from '../../terminal/output.ts';

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
export async function checkBundle(context: Context, bundle: Bundle, project: string): Promise<Verification> {
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
