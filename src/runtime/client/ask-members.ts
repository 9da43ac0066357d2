import type { Credentials } from '../../core/sessions/credentials.ts';
import type { RevocationBook } from '../../core/sessions/revocation-book.ts';
import { askForRevocations } from '../artifacts/revocations.ts';

/** Between two questions to members, in milliseconds: each opens a mesh of its own. */
const againMs = 60_000;

/** Asks members of a project for revocations, once a minute at most. Errors: those of `askForRevocations`. */
export function membersOf(
  credentials: Credentials,
  signal: AbortSignal,
): (book: RevocationBook) => Promise<void> {
  let due = 0;
  return async (book) => {
    if (performance.now() < due) return;
    due = performance.now() + againMs;
    const { project, bootstrap, controllers } = credentials.membership;
    await askForRevocations({ project, artifact: null, bootstrap, controllers, book, signal });
  };
}
