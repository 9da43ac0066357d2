import type {
  Charter,
  Grant,
  Job,
  Lease,
  Offer,
  Outcome,
  Receipt,
  Request,
  Role,
  Slot,
  Verdict,
  VerdictLevel,
  Verified,
} from '../documents/index.ts';
import type { Durability } from '../durability.ts';
import { assert } from '../errors.ts';
import type { OpenedRevocation } from '../judge/index.ts';
import { MerkleTree } from '../transparency/merkle.ts';
import type { Revoked } from '../trust/revocations.ts';
import type { Dispute } from './dispute-reasons.ts';
import type { ControllerEffect, ControllerEvent, Cosignature, Progress, Timings } from './events.ts';
import { defaultTimings } from './events.ts';
import { newPresence, type Presence } from './presence.ts';
import { RunIndex } from './run-index.ts';

/** A worker that asked for a slot and may be given one. */
export interface Candidate {
  token: string;
  claim: string;
  worker: string;
  operator: string;
  grant: Verified<Grant>;
  draw: number;
}

export interface LiveLease {
  id: string;
  lease: Lease;
  grant: Verified<Grant>;
  worker: string;
  operator: string;
}

export type SlotState =
  | { kind: 'free' }
  | { kind: 'leased'; live: LiveLease }
  | { kind: 'delivered'; receipt: string }
  | { kind: 'expired' };

/** The trusted worker's slot, one for all rounds. */
export type TrustedSlotState =
  | Exclude<SlotState, { kind: 'delivered' }>
  /** `live`: its lease, whose stream the draft goes out on; null once the run is over. */
  | { kind: 'delivered'; receipt: string; live: LiveLease | null };

export interface Round {
  n: number;
  offer: Offer;
  offerId: string;
  openedAt: number;
  windowEnds: number;
  windowOpen: boolean;
  fillBy: number;
  candidates: Candidate[];
  /** Operators whose reason not to take a slot was told. */
  passed: Set<string>;
  slots: SlotState[];
  /** Leases given per slot, bounded. */
  leasesGiven: number[];
  /** Operators that lost a lease of this round: they get no other one in it. */
  lostBy: Set<string>;
  revealed: boolean;
}

/** An acknowledged receipt. Never removed or changed. */
export interface Recorded {
  receipt: Verified<Receipt>;
  lease: Lease;
  grant: Verified<Grant>;
  round: number;
  slot: Slot;
  index: number;
  outcome: Outcome;
  /** `resultOf` the receipt. */
  result: string | null;
  sealed: boolean;
}

/** A verdict in the log. `size`: leaves of the log right after it. */
export interface LoggedVerdict {
  payload: Verdict;
  /** The charter that was in force: its evidence is judged by this one, whatever comes later. */
  charter: Verified<Charter>;
  id: string;
  index: number;
  size: number;
}

/** A published verdict. */
export interface Published {
  verdict: LoggedVerdict;
  cosignature: Cosignature | null;
  /** Why there was no agreement, where the level is `disputed`. */
  dispute: Dispute | null;
}

export type Phase =
  /** A round is open and sealed. */
  | { kind: 'building' }
  /** A round ended with N failed builds, which count once the trusted worker's fails too. */
  | { kind: 'awaiting-trusted' }
  | { kind: 'pinning'; artifact: string; tries: number; retryAt: number | null }
  /** The bytes are pinned, N operators agree, the trusted worker's receipt is missing. */
  | { kind: 'agreed'; published: Published }
  /** The draft was sent to the trusted worker on the stream of this lease. */
  | {
      kind: 'cosigning';
      worker: string;
      lease: string;
      draft: LoggedVerdict;
      published: Published | null;
      /** How often the trusted worker could not check it, for a reason that may pass. */
      tries: number;
      /** When it is shown again. */
      retryAt: number | null;
    }
  | { kind: 'done'; published: Published }
  /** Ended by its publisher. What was published before stays published. */
  | { kind: 'cancelled'; reason: string; published: Published | null };

export interface Run {
  id: string;
  request: Verified<Request>;
  publisher: Verified<Grant>;
  job: Job;
  jobId: string;
  entropy: string;
  submittedAt: number;
  rounds: Round[];
  trusted: TrustedSlotState;
  /** Leases given for the trusted worker's slot, bounded. */
  trustedLeases: number;
  receipts: Recorded[];
  /** Artifacts that none of those who agreed on them could serve. */
  unserved: string[];
  phase: Phase;
  /** Why the published verdict does not stand any more. */
  revoked: Revoked | null;
  history: { at: number; progress: Progress }[];
}

/** A revocation in the log, as it is passed on: with the charter under which it was taken. */
export interface LoggedRevocation extends OpenedRevocation {
  index: number;
}

export interface Enrolled {
  operator: string;
  role: Role;
  invite: string;
  enrolled: number;
}

export interface ControllerState {
  /** This controller's key, and its identity provider's. */
  id: string;
  idp: string;
  charter: Verified<Charter> | null;
  timings: Timings;
  epoch: number;
  leasesThisEpoch: number;
  log: MerkleTree;
  /** By key. */
  keys: Map<string, Enrolled>;
  /** Log index at which an operator was first admitted, by role and name. */
  operators: Record<Role, Map<string, number>>;
  /** Keys that joined on an invite, by its jti. */
  invites: Map<string, string[]>;
  /** In log order. */
  revocations: LoggedRevocation[];
  presence: Presence;
  runs: Map<string, Run>;
  index: RunIndex<Run, Recorded>;
  /** Runs whose last published verdict may not be stored yet. */
  unstored: Set<string>;
  /** Offers that still take claims: offer id to run id. */
  offers: Map<string, string>;
  /** Live leases and those kept for co-signing: lease id to run id. */
  leases: Map<string, string>;
}

export function newState(id: string, idp: string): ControllerState {
  return {
    id,
    idp,
    charter: null,
    timings: defaultTimings,
    epoch: 0,
    leasesThisEpoch: 0,
    log: new MerkleTree(),
    keys: new Map(),
    operators: { worker: new Map(), 'trusted-worker': new Map(), publisher: new Map(), reader: new Map() },
    invites: new Map(),
    revocations: [],
    presence: newPresence(),
    runs: new Map(),
    index: new RunIndex(),
    unstored: new Set(),
    offers: new Map(),
    leases: new Map(),
  };
}

/** One event being handled: the state it changes, its time (ms since the epoch), and what comes of it. */
export interface Transition {
  readonly state: ControllerState;
  readonly now: number;
  readonly out: ControllerEffect[];
  /** `lazy` by default: a power failure may then lose who was present, who claimed and who held a lease. */
  durability: Durability;
}

/** The event changes the log, makes a promise or lets bytes be published, so it must not be lost. */
export function mustSync(transition: Transition): void {
  transition.durability = 'sync';
}

/** The event left the state as it was. */
export function unchanged(transition: Transition): void {
  assert(transition.durability === 'lazy', 'an event that must be synced changed something');
  transition.durability = 'none';
}

/** Returns the index of the new leaf. */
export function appendLeaf(transition: Transition, leaf: string): number {
  mustSync(transition);
  return transition.state.log.append(leaf);
}

export function tell(transition: Transition, run: Run, progress: Progress): void {
  run.history.push({ at: transition.now, progress });
  transition.out.push({ kind: 'progress', run: run.id, progress });
}

/** Whether the run has ended, with a verdict or by its publisher. */
export function isOver({ phase }: Run): boolean {
  return phase.kind === 'done' || phase.kind === 'cancelled';
}

/** The published verdict; null before the first one, and again while a new round runs after a contradiction. */
export function publishedOf({ phase }: Run): Published | null {
  return 'published' in phase ? phase.published : null;
}

/** The verdict being co-signed, or else the published one. */
export function verdictOf(run: Run): LoggedVerdict | null {
  return run.phase.kind === 'cosigning' ? run.phase.draft : (publishedOf(run)?.verdict ?? null);
}

/** The level that is published. */
export function levelOf(run: Run): VerdictLevel | null {
  return publishedOf(run)?.verdict.payload.predicate.quorate_verdict.level ?? null;
}

/** The outcome that `verdictOf` states. */
export function outcomeOf(run: Run): Outcome | null {
  return verdictOf(run)?.payload.predicate.quorate_verdict.outcome ?? null;
}

/** The lease of a trusted worker whose receipt is in, as long as its stream is of use. */
export function trustedLease({ trusted }: Run): LiveLease | null {
  return trusted.kind === 'delivered' ? trusted.live : null;
}

export function liveLeases(run: Run): LiveLease[] {
  const slots = run.rounds.flatMap((round) => round.slots);
  return [...slots, run.trusted].flatMap((slot) => (slot.kind === 'leased' ? [slot.live] : []));
}

export function currentRound(run: Run): Round | undefined {
  return run.rounds.at(-1);
}

export type EventOf<K extends ControllerEvent['kind']> = Extract<ControllerEvent, { kind: K }>;
