import { askForRevocations } from '../node/artifacts/revocations.ts';
import type { Credentials } from '../protocol/sessions/credentials.ts';
import type { RevocationBook } from '../protocol/sessions/revocation-book.ts';
import { clientLimits } from './limits.ts';

/** Asks members of a project for revocations, once a minute at most. Errors: those of `askForRevocations`. */
export function membersOf(
  credentials: Credentials,
  signal: AbortSignal,
): (book: RevocationBook) => Promise<void> {
  let due = 0;
  return async (book) => {
    if (performance.now() < due) return;
    due = performance.now() + clientLimits.askMembersMs;
    const { project, bootstrap, controllers } = credentials.membership;
    await askForRevocations({ project, artifact: null, bootstrap, controllers, book, signal });
  };
}
