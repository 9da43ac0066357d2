import { assert } from '../../core/errors.ts';

/** Bounds of what one member sends on its feed and lease streams, beyond which it waits. */
export const nodeLimits = {
  /** Messages in the long run: a worker with 64 leases sends 13. */
  memberMessagesPerSecond: 50,
  /** Messages at once: a controller that restarts hears from all leases of a worker. */
  memberMessagesBurst: 500,
  /** Bytes of a message that count as one further message. */
  memberBytesPerMessage: 64 * 1024,
} as const;

assert(
  nodeLimits.memberMessagesPerSecond <= nodeLimits.memberMessagesBurst,
  'a burst is at least a second of messages',
);
