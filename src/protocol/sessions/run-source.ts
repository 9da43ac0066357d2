import { codeOf, QuorateError } from '../base/errors.ts';
import type { Bundle } from '../documents/index.ts';
import type { ApiDown, ApiUp } from '../wire/messages.ts';
import type { Credentials } from './credentials.ts';
import type { Dial } from './ports.ts';
import type { RevocationBook } from './revocation-book.ts';
import { requestLeaves, requestRevocations } from './revocation-exchange.ts';
import type { RunSource } from './run-verifier.ts';

export interface RunSourcePorts {
  ask(question: ApiUp): Promise<ApiDown>;
  credentials: Credentials;
  dial: Dial;
  bundle(run: string): Promise<Bundle>;
  /** Asks other members than controllers for revocations. */
  askMembers(book: RevocationBook): Promise<void>;
}

/** Source of a verifier of runs: the controller, and other members for revocations that it keeps back. */
export function runSource({ ask, credentials, dial, bundle, askMembers }: RunSourcePorts): RunSource {
  return {
    bundle,
    async charter() {
      const answer = await ask({ kind: 'charter' });
      if (answer.kind !== 'charter') throw unexpected('charter', answer);
      await credentials.learnCharter(answer.charter);
      // An older one than is known is no answer.
      return credentials.membership.charter;
    },
    async checkpoint() {
      const answer = await ask({ kind: 'checkpoint', old: 0 });
      if (answer.kind !== 'checkpoint') throw unexpected('checkpoint', answer);
      return { note: answer.note, grants: answer.grants ?? [] };
    },
    async leaves(from) {
      const answer = await ask({ kind: 'log', from });
      if (answer.kind !== 'leaves') throw unexpected('leaves', answer);
      return answer.from === from ? answer.leaves : [];
    },
    async revocations(book, withheld) {
      for (const controller of credentials.membership.controllers) {
        await requestRevocations(dial, controller, (page) => book.learn(page)).catch(orHome);
        // Revocations by keys that the root has ended are no longer in the list, only found by id.
        await requestLeaves(dial, controller, book, withheld()).catch(orHome);
      }
      if (withheld().length > 0) await askMembers(book);
    },
  };
}

/** Passes over errors of others. @throws those of our own disk. */
function orHome(error: unknown): void {
  if (codeOf(error).startsWith('HOME_')) throw error;
}

/** The controller answered something else than was asked. */
export const unexpected = (wanted: string, { kind }: ApiDown): QuorateError =>
  new QuorateError('CONTROLLER_UNEXPECTED_ANSWER', `expected ${wanted}, got ${kind}`, {
    hint: 'The controller may run another version: update both.',
  });
