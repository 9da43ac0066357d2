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
