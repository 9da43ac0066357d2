import type { NodeKey } from '../../identity/keys.ts';
import type { Charter, Verified } from '../../protocol/documents/index.ts';
import * as sessions from '../../protocol/sessions/ask.ts';
import { Credentials, type Membership } from '../../protocol/sessions/credentials.ts';
import type { Dial } from '../../protocol/sessions/ports.ts';
import type { ApiDown, ApiUp } from '../../protocol/wire/messages.ts';
import { throwIfAborted } from '../aborted.ts';
import { inFile } from '../files.ts';
import { joseDocuments, signingOf } from '../ports.ts';
import type { Home } from './home.ts';

const clock = { now: () => Date.now() };

/** As `openCharter` of the sessions, with real keys. */
export function openCharter(raw: string, project: string): Promise<Verified<Charter>> {
  return sessions.openCharter(raw, project, joseDocuments);
}

/** As `ask` of the sessions. @throws as `throwIfAborted` once `signal` is aborted */
export async function ask(
  dial: Dial,
  controllers: Membership['controllers'],
  question: ApiUp,
  signal: AbortSignal,
): Promise<{ answer: ApiDown; controller: string }> {
  try {
    return await sessions.ask(dial, controllers, question);
  } catch (error) {
    throwIfAborted(signal, `"${question.kind}" at the controller`);
    throw error;
  }
}

export const membershipHint = 'Remove it and join again.';

/** The credentials of a node, kept in its home. @throws CHARTER_ISSUER_MISMATCH, DOC_… */
export function openCredentials(home: Home, key: NodeKey, membership: Membership): Promise<Credentials> {
  return inFile(home.fileOf(membership.project), membershipHint, () =>
    Credentials.open(signingOf(key.signer), clock, membership, (changed) => home.save(changed)),
  );
}
