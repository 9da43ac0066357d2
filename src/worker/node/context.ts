import type { HostGate } from '../../egress/index.ts';
import type { NodeKey } from '../../identity/keys.ts';
import type { Mesh } from '../../mesh/index.ts';
import type { Bundles } from '../../node/artifacts/bundles.ts';
import type { Tell } from '../../node/node-events.ts';
import type { Bandwidth } from '../../protocol/base/bandwidth.ts';
import type { Credentials } from '../../protocol/sessions/credentials.ts';
import type { Dial } from '../../protocol/sessions/ports.ts';
import type { Revoked } from '../../protocol/trust/index.ts';
import type { Store } from '../../store/index.ts';
import type { WorkerEvent } from '../machine/events.ts';
import type { Worker } from '../machine/machine.ts';

/** Shared by the parts of a worker. */
export interface WorkerContext {
  dir: string;
  key: NodeKey;
  credentials: Credentials;
  machine: Worker;
  dispatch(event: WorkerEvent): Promise<void>;
  mesh: Mesh;
  /** Keeps streams for the next use. */
  dial: Dial;
  /** Bandwidth that the mesh, git and the HTTP feed use together. */
  bandwidth: Bandwidth;
  /** Servers in a network of the operator's own that builds may reach, `host:port`. */
  privateHosts: readonly string[];
  /** Everything that connects to a server which the project names asks it. */
  gate: HostGate;
  store: Store;
  /** Those that are known here. */
  revocations(): readonly Revoked[];
  bundles: Bundles;
  tell: Tell;
  /** Aborted when the node closes. */
  signal: AbortSignal;
}

/** The sealed area of one lease's outputs. */
export const areaOf = (lease: string): string => `lease-${lease.slice(0, 32)}`;
