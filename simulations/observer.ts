import type { ControllerEffect, ControllerEvent } from '../src/controller/machine/events.ts';
import type { ControllerState } from '../src/controller/machine/state.ts';
import type { IdpEffect, IdpEvent } from '../src/idp/machine/events.ts';
import type { Bundle, Verdict } from '../src/protocol/documents/index.ts';
import type { Equivocation } from '../src/protocol/trust/index.ts';
import type { WorkerEffect, WorkerEvent } from '../src/worker/machine/events.ts';
import type { Worker } from '../src/worker/machine/machine.ts';
import type { Keys } from './keys.ts';
import type { TrustedWorker, Work } from './scenario.ts';

/** Observations of a checker, in the order in which they happen. */
export type Observation =
  /** The controller's machine took an event. Its effects may still be lost in a crash. */
  | { kind: 'handled'; event: ControllerEvent; effects: readonly ControllerEffect[]; state: ControllerState }
  /** A process has an event in its journal, under this time. */
  | { kind: 'journaled'; who: string; at: number }
  /** An effect left the controller's process. */
  | { kind: 'sent'; effect: ControllerEffect; state: ControllerState }
  /** A bundle was published. */
  | { kind: 'request-refused'; code: string; expiresAt: number }
  | { kind: 'published'; run: string; bundle: Bundle; verdict: Verdict }
  /** A bundle that was published is not on the controller's disk any more. */
  | { kind: 'bundle-lost'; run: string }
  /** A copy of the controller's disk was made. */
  | { kind: 'copied'; copy: number }
  /** The controller's journal is that of this copy from now on (none where it is lost), and these bundles are on its disk, by run. */
  | { kind: 'replaced'; copy: number | null; bundles: ReadonlySet<string> }
  /** It has asked its members since, and begins to sign: what they answered, of whom it heard before. */
  | { kind: 'restored'; state: ControllerState; answers: readonly Answer[] }
  /** The controller's key signed a checkpoint of the log. */
  | { kind: 'signed'; log: string; size: number; root: string }
  /** After a restore nothing goes on: the controller stopped, or waits for members, of whom none that is up has what it lacks. */
  | { kind: 'stands-still'; why: string; isExcused: boolean }
  /** The evidence was sent to a trusted worker. */
  | { kind: 'shown'; run: string; worker: string }
  | { kind: 'worker-handled'; worker: string; event: WorkerEvent; effects: readonly WorkerEffect[] }
  /** A worker's machine got an offer: the charter it was made under, and the one that the worker judges and builds by. */
  | { kind: 'considered'; worker: string; made: number; known: number }
  /** A worker told its operator of a host that the charter of this epoch names. */
  | { kind: 'host-named'; worker: string; host: string; epoch: number }
  /** A trusted worker put its signature under a verdict. */
  | { kind: 'cosigned'; worker: string; lease: string; verdict: Verdict }
  /** A state machine was rebuilt from its journal: its snapshots before and after. */
  | {
      kind: 'restarted';
      who: string;
      before: string;
      after: string;
      state: ControllerState | undefined;
      /** From a copy, and the members have not told what it lacks. */
      isCopy?: boolean | undefined;
    }
  /** An identity provider of its own took an event. */
  | { kind: 'idp-handled'; event: IdpEvent; effects: readonly IdpEffect[] }
  /** An identity provider was rebuilt from its journal, with these keys as members. */
  | { kind: 'idp-restarted'; members: readonly string[] }
  /** A worker signed a checkpoint of the log, of the feed or of a draft. */
  | { kind: 'witnessed'; worker: string; log: string; size: number; root: string }
  /** A worker came to know that the log tells two stories, or of how many of them trusted workers signed. */
  | { kind: 'equivocated'; worker: string; proves: Equivocation }
  /** Logs of a run, by slot and worker, as a publisher was told them who followed them. */
  | { kind: 'logs-told'; run: string; texts: ReadonlyMap<string, string> }
  /** The controller does not go on. */
  | { kind: 'not-started'; code: string; says: string }
  /** Faults are over, everything that can has come back, and there was time to finish. */
  | { kind: 'ended'; state: ControllerState; idle: readonly IdleWorker[] };

/** Answer of a member to a controller at its start. */
export interface Answer {
  /** PeerId. */
  worker: string;
  /** Its largest checkpoint. */
  note: string | null;
  /** Leaves that acks and offers promised it, which it does not know to be under a checkpoint. */
  promises: readonly { by: string; index: number; leaf: string }[];
  /** Fences of the leases that it told of. */
  fences: readonly { by: string; epoch: number; n: number }[];
}

/** An honest worker that is up when all is over. */
export interface IdleWorker {
  /** PeerId. */
  id: string;
  worker: string;
  /** Leases that its machine still holds. */
  holds: number;
  served: ReadonlySet<string>;
  bundles: ReadonlySet<string>;
  /** Epoch of the charter that it knows; 0 for one that has not joined. */
  epoch: number;
  /** The controller that it would ask; undefined for one that has not joined. */
  controller: string | undefined;
}

/** The ground truth, which documents may contradict. */
export interface Truth {
  readonly now: number;
  readonly keys: Keys;
  readonly project: string;
  readonly controller: string;
  /** The person on whose invite a key joined. */
  personOf(key: string): string;
  isAttacker(key: string): boolean;
  /** The result this key's worker built under a lease. */
  builtUnder(lease: string): { key: string; result: string | null } | undefined;
  workOf(run: string): Work | undefined;
  /** The machine of this worker; undefined while its process is down. */
  machineOf(worker: string): Pick<Worker, 'leaseOf' | 'pendingReceipt'> | undefined;
  /** The log of a build on the controller's disk. */
  logOf(lease: string): string | undefined;
  timesOf(lease: string): string | undefined;
  /** Whether the wall clock of this worker's host is wrong now. */
  clockIsOff(worker: string): boolean;
  /** Operators that do not build what the source says. */
  readonly attackers: number;
  readonly trusted: TrustedWorker;
  /** True where there is a second trusted worker. */
  readonly second: boolean;
  /** For a controller that keeps no bytes: number of stores that have to keep an artifact, and of those that ever did. */
  readonly stores: { copies: number; keeping(tree: string): number } | undefined;
  /** After a restore the log does not go on from all that its key signed: nobody who answered knew, and others may find out. */
  readonly isShort: boolean;
  /** Leaves of the log that a worker has on its disk. */
  keptBy(worker: string): number;
  /** True where nothing goes wrong, nobody cheats, and neither keys nor members change. */
  readonly isIdeal: boolean;
  /** True where the scenario draws no fault and no theft of a key; members may change. */
  readonly isQuiet: boolean;
  /** Jobs and revocations that were asked for in time, and that the controller never took. */
  readonly wanted: { readonly untaken: readonly string[] };
  /** How late a message may be beside its delay. */
  readonly stallMsMax: number;
}

/** An invariant that does not hold. */
export class Violation extends Error {
  /** Absent until the caller of the checker that found it names it. */
  invariant: string | undefined;

  constructor(message: string, invariant?: string) {
    super(message);
    this.invariant = invariant;
  }
}

export function foundBy(invariant: string, error: unknown): unknown {
  if (error instanceof Violation) error.invariant ??= invariant;
  return error;
}

/** Keeps what it has seen and throws a `Violation` when an invariant does not hold. */
export type Observe = (seen: Observation, truth: Truth) => Promise<void> | void;

/** One invariant. */
export interface Checker {
  readonly invariant: string;
  observe: Observe;
}
