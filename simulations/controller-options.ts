import type { Timings } from '../src/controller/machine/events.ts';
import type { Controller } from '../src/controller/machine/machine.ts';
import type { InquiryPorts } from '../src/controller/sessions/start-inquiry.ts';
import type { Node } from './network.ts';
import type { CrashPoint } from './process.ts';
import type { Stores } from './store-node.ts';
import type { WorkerNode } from './worker-node.ts';

export interface ControllerOptions {
  timings: Timings;
  listeners: () => readonly WorkerNode[];
  /** Whether one of these nodes serves an artifact now. */
  serves: (artifact: string, from: readonly string[]) => boolean;
  fresh: () => Controller;
  /** Where it keeps no bytes. */
  stores: Stores | undefined;
  /** It dies at this event, once. */
  crash: { at: number; point: CrashPoint } | undefined;
  /** A planted bug: other ports for what is asked at a start. */
  inquiry: ((ports: InquiryPorts) => InquiryPorts) | undefined;
  /** Whether a trusted worker has joined, which has the log. */
  mayLoseJournal: () => boolean;
  /** It tells its workers two stories. */
  forks: number | undefined;
  /** The identity provider's process; undefined where its key is in this one. */
  idp: Node | undefined;
}
