import { join } from 'node:path';
import { joseVerifier } from '../../identity/verifier.ts';
import { publicKeyOf } from '../../protocol/documents/index.ts';
import { RevocationBook, storedRevocationsSchema } from '../../protocol/sessions/revocation-book.ts';
import { inFile, readJson, writeAtomic, writeJson } from '../files.ts';

/** In a home folder. */
export const revocationFile = (dir: string, project: string): string =>
  join(dir, 'revocations', `${project}.json`);

/**
 * The revocations that a home folder knows of a project; every command of that home reads and adds to them. Evidence against the log is
 * also in a file of its own, to hand on. `unsaved` is told when the folder cannot be written; without it that is an error. @throws
 * HOME_DAMAGED, HOME_UNREADABLE, HOME_UNWRITABLE, KEY_INVALID
 */
export function openRevocationBook(
  dir: string,
  project: string,
  unsaved?: (error: Error) => void,
): Promise<RevocationBook> {
  publicKeyOf(project);
  const file = revocationFile(dir, project);
  const hint = 'Remove it; verify --online asks for them again.';
  const open = () =>
    RevocationBook.open(
      project,
      joseVerifier,
      {
        load: () => readJson(file, storedRevocationsSchema, hint),
        async save(stored) {
          await writeJson(file, stored);
          for (const [n, evidence] of (stored.equivocations ?? []).entries())
            await writeAtomic(join(dir, 'revocations', `${project}-equivocation-${n + 1}.json`), evidence);
        },
      },
      unsaved,
    );
  return inFile(file, hint, open);
}
