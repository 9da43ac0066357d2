import { askForRevocations } from '../../node/artifacts/revocations.ts';
import type { Home } from '../../node/membership/home.ts';
import { openRevocationBook } from '../../node/membership/revocation-file.ts';
import { codeOf, messageOf } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import type { HookTold } from '../machine/hook-ledger.ts';
import { hookLimits } from '../machine/hook-limits.ts';

/**
 * Asks members of a project from time to time for evidence that its log tells two stories: the controller would not tell of its own. What
 * is returned is proven, and kept in the home folder.
 */
export function provenByMembers(options: {
  home: Home;
  project: string;
  signal: AbortSignal;
  tell(told: HookTold): void;
}): () => Promise<string[]> {
  const { home, project, signal, tell } = options;
  let due = 0;
  let isTold = false;
  return async () => {
    const book = await openRevocationBook(home.dir, project);
    const proven = () => book.equivocations.map(({ proves }) => proves.says);
    const now = performance.now();
    if (now < due) return proven();
    due = now + hookLimits.askMembersMs;
    try {
      const { bootstrap, controllers } = await home.membership(project);
      await askForRevocations({ project, artifact: null, bootstrap, controllers, book, signal });
      isTold = false;
    } catch (error) {
      signal.throwIfAborted();
      const code = codeOf(error);
      if (code === 'INTERNAL' || /^HOME_/.test(code)) throw error;
      const message = escapeLine(messageOf(error), hookLimits.textCharsMax);
      if (!isTold) tell({ event: 'waiting', code, message });
      isTold = true;
    }
    return proven();
  };
}
