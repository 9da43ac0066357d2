import { codeOf, QuorateError } from '../base/errors.ts';
import type { Bundle } from '../documents/index.ts';
import type { ApiDown, ApiUp } from '../wire/messages.ts';
import type { Credentials } from './credentials.ts';
import type { Dial } from './ports.ts';
import type { RevocationBook } from './revocation-book.ts';
import { requestLeaves, requestRevocations } from './revocation-exchange.ts';
import type { RunSource } from './run-verifier.ts';

interface RunSourcePorts {
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
      const { charter } = expected('charter', await ask({ kind: 'charter' }));
      await credentials.learnCharter(charter);
      // An older one than is known is no answer.
      return credentials.membership.charter;
    },
    async checkpoint() {
      const { note, grants = [] } = expected('checkpoint', await ask({ kind: 'checkpoint', old: 0 }));
      return { note, grants };
    },
    async leaves(from) {
      const answer = expected('leaves', await ask({ kind: 'log', from }));
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

/** An answer of the kind that was asked for. @throws `CONTROLLER_UNEXPECTED_ANSWER`. */
export function expected<K extends ApiDown['kind']>(kind: K, answer: ApiDown): Extract<ApiDown, { kind: K }> {
  if (answer.kind !== kind) throw unexpected(kind, answer);
  return answer as Extract<ApiDown, { kind: K }>;
}

/** The controller answered something else than was asked. */
export const unexpected = (wanted: string, { kind }: ApiDown): QuorateError =>
  new QuorateError('CONTROLLER_UNEXPECTED_ANSWER', `expected ${wanted}, got ${kind}`, {
    hint: 'The controller may run another version: update both.',
  });
