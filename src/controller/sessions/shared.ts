import { QuorateError } from '../../protocol/base/errors.ts';
import type { Grant, Verified } from '../../protocol/documents/index.ts';
import type { Admission } from '../../protocol/sessions/admission.ts';
import type { ServedProtocol } from '../../protocol/sessions/ports.ts';
import type { Followers, Replies } from '../../protocol/sessions/replies.ts';
import { servedBounds } from '../../protocol/wire/bounds.ts';
import type { OfferNotice } from '../../protocol/wire/messages.ts';
import { protocols } from '../../protocol/wire/protocols.ts';
import type { Reply } from '../machine/events.ts';
import type { CheckpointRounds } from './checkpoint-rounds.ts';
import type { LogServer } from './log-server.ts';
import type { ControllerPorts } from './ports.ts';

/** The ports, and what the sessions of one life of a controller share. */
export interface SharedPorts extends ControllerPorts {
  readonly admission: Admission;
  readonly replies: Replies<Reply>;
  readonly followers: Followers;
  readonly checkpoints: CheckpointRounds;
  readonly logs: LogServer;
  /** Open offers by id, oldest first, as they are gossiped and pulled. */
  readonly backlog: Map<string, OfferNotice>;
}

/** The grant in a hello, which is that of the peer. @throws `GRANT_KEY_MISMATCH`, `DOC_…`. */
export async function shownGrant(
  { signing }: ControllerPorts,
  hello: { grant: string },
  peer: string,
): Promise<Verified<Grant>> {
  const grant = await signing.documents.message('grant', hello.grant);
  if (grant.payload.sub === peer) return grant;
  throw new QuorateError('GRANT_KEY_MISMATCH', 'the grant is for another key');
}

/** A protocol of a controller. `maxSendBytes`: of one message that it sends. */
export const servedProtocol = (
  protocol: 'api' | 'cosign' | 'feed' | 'lease',
  maxSendBytes: number,
  session: ServedProtocol['session'],
): ServedProtocol => ({
  protocol: protocols[protocol],
  options: { ...servedBounds(protocol), maxSendBytes },
  session,
});
