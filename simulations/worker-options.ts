import type { Membership } from '../src/protocol/sessions/credentials.ts';
import type { Worker } from '../src/worker/machine/machine.ts';
import type { WorkerPorts } from '../src/worker/sessions/ports.ts';
import type { Node } from './network.ts';
import type { Behaviour, Work } from './scenario.ts';

export interface WorkerOptions {
  name: string;
  behaviour: Behaviour;
  controller: Node;
  others: () => readonly (Node & { hear(topic: string, author: string, message: Uint8Array): void })[];
  /** Compact JWS. */
  invite: string;
  /** Another ticket of the owner for the same person, by the identity provider of now. */
  anotherInvite: () => Promise<string>;
  workOf: (job: string) => Work;
  /** Grants of others, for those who try with them. */
  foreignGrants: () => readonly string[];
  joined: (membership: Membership) => void;
  /** Writes of log leaves fail. */
  fullDisk: boolean;
  /** Its receipts cannot be signed. */
  unsigned: boolean;
  /** As of an operator. */
  allowsAfterMs: number | undefined;
  fresh: (id: string) => Worker;
  /** A planted bug: ports that do something else. */
  ports: (ports: WorkerPorts) => WorkerPorts;
}
