import type { Controller } from '../src/controller/machine/machine.ts';
import type { InquiryPorts } from '../src/controller/sessions/start-inquiry.ts';
import type { IdentityProvider } from '../src/idp/machine/machine.ts';
import type { Worker } from '../src/worker/machine/machine.ts';
import type { WorkerPorts } from '../src/worker/sessions/ports.ts';
import type { Line, Network, Node } from './network.ts';

/** Parts of the world that a planted bug may replace. */
export interface Patches {
  controller?: (id: string, idp: string) => Controller;
  worker?: (id: string, name: string) => Worker;
  /** Machine of an identity provider apart. */
  idp?: (key: string) => IdentityProvider;
  /** The least version of workers that each charter names; theirs is 1.0.0. */
  leastWorker?: string;
  /** Replaces ports of honest workers. */
  workerPorts?: (ports: WorkerPorts) => WorkerPorts;
  inquiry?: (ports: InquiryPorts) => InquiryPorts;
  /** The controller carries effects out before that is done to its journal. */
  journalLate?: 'append' | 'sync';
  /** Timers of the controller are set together with its wall clock, or its sessions go by that. */
  wallClock?: 'timers' | 'sessions';
  /** The controller tells its workers two stories, which differ in this leaf. */
  forks?: number;
  /** The controller takes the word of stores for what they keep. */
  storesBelieved?: boolean;
  /** The controller takes the journal's word for the bundles that are stored. */
  bundlesBelieved?: boolean;
  /** In place of the plain network, until the faults end. */
  line?: Line;
  /** Opens streams to these nodes, as one of them, from the time on at which the faults begin. */
  visits?: (nodes: Visited, dial: Network['dial']) => Promise<void>;
}

/** One node of each kind, where the scenario has it. */
export interface Visited {
  controller: Node;
  idp: Node | undefined;
  store: Node | undefined;
  worker: Node | undefined;
}
