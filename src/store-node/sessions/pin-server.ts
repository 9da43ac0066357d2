import type { z } from 'zod';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { sessionLimits, sessionTimes } from '../../protocol/sessions/limits.ts';
import { errorMessage, MessageStream } from '../../protocol/sessions/message-stream.ts';
import type { Channel, Clock, ServedProtocol, Tell } from '../../protocol/sessions/ports.ts';
import { every } from '../../protocol/sessions/timing.ts';
import { meteredBounds } from '../../protocol/wire/bounds.ts';
import { type PinUp, type pinDownSchema, pinUpSchema } from '../../protocol/wire/messages.ts';
import { protocols } from '../../protocol/wire/protocols.ts';

type Down = z.infer<typeof pinDownSchema>;

/** A controller's order to keep a tree. */
export type PinRequest = Omit<PinUp, 'kind'>;

export interface PinServerPorts {
  readonly clock: Clock;
  /** Whether the charter names this key as a controller. */
  isController(peer: string): boolean;
  /** Fetches a tree and keeps it. Returns until when, in milliseconds since the epoch. @throws STORE_QUOTA, TRANSFER_…, STORE_TREE_… */
  pin(request: PinRequest): Promise<{ until: number }>;
  tell: Tell;
}

/**
 * A store's side of `/quorate/pin/1`. Reads nothing of a peer that the charter does not name as a controller, and works for
 * `sessionLimits.pinsAtOnce` requests at once.
 */
export function pinServer(ports: PinServerPorts): ServedProtocol {
  let working = 0;
  return {
    protocol: protocols.pin,
    options: meteredBounds('pin'),
    async session(channel: Channel) {
      const { clock, isController, pin, tell } = ports;
      const stream = new MessageStream<Down, PinUp>(channel, pinUpSchema, 'a request to keep a tree');
      try {
        if (!isController(channel.peer))
          throw new QuorateError('PIN_NOT_CONTROLLER', 'only a controller that the charter names may ask');
        const asked = await stream.receive({ timeoutMs: sessionTimes.questionMs });
        if (asked === undefined) return;
        if (working >= sessionLimits.pinsAtOnce)
          throw new QuorateError('PIN_BUSY', 'the store fetches other trees; ask again in a moment');
        working++;
        const stop = every(clock, sessionTimes.pinningMs, () => stream.post({ kind: 'pinning' }));
        try {
          const { until } = await pin(asked);
          await stream.send({ kind: 'pinned', tree: asked.tree, until: Math.floor(until / 1000) });
        } finally {
          stop();
          working--;
        }
      } catch (error) {
        // Strangers write no lines into a log.
        if (!clock.closing && isController(channel.peer))
          tell('warn', 'pin', `a request to keep a tree was refused: ${messageOf(error)}`);
        await stream.send(errorMessage(error)).catch(() => {});
      }
      await stream.close();
    },
  };
}
