import { resolve } from 'node:path';
import { whereFrom } from '../../owner/where-from.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import type { Bundle } from '../../protocol/documents/index.ts';
import type { RevocationBook } from '../../protocol/sessions/revocation-book.ts';
import type { Context } from '../../terminal/context.ts';
import { readText } from './bundle-file.ts';

/**
 * Returns the revocations of a project in this home; first adds those of a file and those that members report, where asked for.
 * Errors: `CLI_FILE_…`, `REVOCATION_UNREADABLE`, `REVOCATION_NO_ANSWER`, `HOME_…`, `MESH_…`.
 */
export async function learnBefore(
  context: Context,
  options: { project: string; online?: boolean; bootstrap?: string[]; revocations?: string },
  bundle: Bundle,
): Promise<RevocationBook> {
  const { cwd, home, out, signal } = context;
  const { project, online = false, bootstrap, revocations } = options;
  const { openRevocationBook } = await import('../../node/membership/revocation-file.ts');
  const book = await openRevocationBook(home, project, ({ message }) =>
    out.note(`What was learned of revocations is not kept: ${message}`),
  );
  if (revocations !== undefined) await learnFile(book, resolve(cwd, revocations));
  if (!online) return book;
  const known = await placesOf(context, { project, ...(bootstrap && { bootstrap }) }, bundle);
  const { askForRevocations } = await import('../../node/artifacts/revocations.ts');
  const artifact = await artifactIn(bundle);
  await askForRevocations({ project, artifact, book, signal, ...known });
  return book;
}

async function learnFile(book: RevocationBook, file: string): Promise<void> {
  const { decodeRevocations } = await import('../../protocol/sessions/revocation-book.ts');
  const text = await readText(file, 'Name the file that revoke --out wrote.');
  try {
    const { refused } = await book.learn(decodeRevocations(text, file));
    // The book keeps revocations that this version cannot read.
    const why = refused.find(({ code }) => code !== 'DOC_NEWER');
    if (why !== undefined) throw why;
  } catch (cause) {
    if (!(cause instanceof QuorateError) || cause.code.startsWith('HOME_')) throw cause;
    throw new QuorateError('REVOCATION_UNREADABLE', `${file} revokes nothing: ${cause.message}`, {
      hint: 'Name the file that revoke --out wrote, of this project.',
      cause,
    });
  }
}

/** Where to ask: as given, as this host knows, or as the charter in the bundle says. */
async function placesOf(
  context: Context,
  given: { project: string; bootstrap?: string[] },
  bundle: Bundle,
): Promise<{
  bootstrap: string[];
  controllers: { id: string; addrs: string[] }[];
  peersFile?: string | undefined;
}> {
  try {
    const { bootstrap, controllers = [], peersFile } = await whereFrom(context, given);
    return { bootstrap, controllers, peersFile };
  } catch (error) {
    if (!(error instanceof QuorateError) || error.code !== 'MEMBERSHIP_NOT_FOUND') throw error;
    const { openCharter } = await import('../../node/membership/credentials.ts');
    const { payload } = await openCharter(bundle.charter, given.project);
    return { bootstrap: payload.bootstrap, controllers: [] };
  }
}

/** The artifact that the bundle says it is about: those who provide it are asked. */
async function artifactIn(bundle: Bundle): Promise<string | null> {
  const { artifactOf, openStatement } = await import('../../protocol/documents/index.ts');
  const { joseVerifier } = await import('../../identity/verifier.ts');
  const verdict = await openStatement('verdict', bundle.verdict, joseVerifier).catch(() => undefined);
  const outcome = verdict?.payload.predicate.quorate_verdict.outcome ?? null;
  return outcome === null ? null : artifactOf(outcome);
}
