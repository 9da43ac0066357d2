import { isAlarmingRepeat, shownLevel } from '../../protocol/account/index.ts';
import type { Durability } from '../../protocol/base/durability.ts';
import { assert, type ErrorCode } from '../../protocol/base/errors.ts';
import { dropOldest } from '../../protocol/base/maps.ts';
import type {
  Charter,
  Grant,
  Job,
  Lease,
  Offer,
  Outcome,
  Request,
  Role,
  Verdict,
  VerdictLevel,
  Verified,
} from '../../protocol/documents/index.ts';
import type { OpenedRevocation } from '../../protocol/judge/index.ts';
import { MerkleTree } from '../../protocol/transparency/merkle.ts';
import type { Progress } from '../../protocol/wire/progress.ts';
import {
  type ControllerEffect,
  type ControllerEvent,
  defaultTimings,
  type ReceiptDocuments,
  type Reply,
  type Timings,
} from './events.ts';
import type {
  EarlierInstance,
  Endorsement,
  FinishedRun,
  LoggedVerdictFacts,
  Phase,
  PublishedFacts,
  Recorded,
  RoundFacts,
  RunFacts,
  Stores,
} from './facts.ts';
import { controllerLimits } from './limits.ts';
import { Presence, tokenOf } from './presence.ts';
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
type TrustedSlotState =
  | Exclude<SlotState, { kind: 'delivered' }>
  /** `live`: its lease, whose stream the draft goes out on; null once the run is over. */
  | { kind: 'delivered'; receipt: string; live: LiveLease | null };

export interface Round extends RoundFacts {
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
  /** Its free slots expired because no connected worker could take them. */
  untaken?: true;
}

/** A verdict in the log. `size`: leaves of the log right after it. */
export interface LoggedVerdict extends LoggedVerdictFacts {
  payload: Verdict;
  size: number;
}

export interface Published extends PublishedFacts {
  verdict: LoggedVerdict;
  endorsement: Endorsement;
}

/** Why other trusted workers are asked first. */
interface PassedOver {
  /** Leases of the slot that it lost. */
  lost: number;
  /** The worker waits for others until then, ms since the epoch. */
  until: number;
  /** The worker refused to sign, and gets the slot no more. */
  refused: boolean;
}

/** A run that is open, or whose bundle may not be stored yet: with all its documents. */
export interface Run extends RunFacts {
  request: Verified<Request>;
  publisher: Verified<Grant>;
  jobId: string;
  /** The template, until the job has its inputs. */
  job: Job;
  entropy: string;
  rounds: Round[];
  trusted: TrustedSlotState;
  /** Leases given for the trusted worker's slot, bounded. */
  trustedLeases: number;
  /** Trusted workers that lost the slot or do not sign: others are asked before them. At most one for each lease of the slot. */
  passedOver: Map<string, PassedOver>;
  receipts: Recorded[];
  evidence: RunFacts['evidence'];
  earlier: EarlierInstance[];
  reused: FinishedRun | null;
  documents: Map<string, ReceiptDocuments>;
  /** Ids of its verdicts in the log, of withdrawn drafts too. */
  drafts: Set<string>;
  /** Artifacts that none of those who agreed on them could serve. */
  unserved: string[];
  phase: Phase<Published>;
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
  /** The identity provider's key that signed the ticket it joined with, and the size of the log then. */
  by: string;
  at: number;
}

export class ControllerState {
  /** This controller's key, and its identity provider's: those of its last start. */
  id: string;
  idp: string;
  charter: Verified<Charter> | null = null;
  /** Keys that any charter in the log named. Only the root key adds to them. */
  named = new Set<string>();
  timings: Timings = defaultTimings;
  /** Null where the controller keeps artifacts itself. */
  stores: Stores | null = null;
  epoch = 0;
  leasesThisEpoch = 0;
  log = new MerkleTree();
  keys = new Map<string, Enrolled>();
  /** Log index at which an operator was first admitted, by role and name. */
  operators: Record<Role, Map<string, number>> = {
    worker: new Map(),
    'trusted-worker': new Map(),
    publisher: new Map(),
    reader: new Map(),
  };
  /** Operators that were around when a job was last submitted; undefined where that is not known. */
  around: number | undefined = undefined;
  /** Keys that joined on an invite, by its jti. */
  invites = new Map<string, string[]>();
  /** Tickets that were used, by the identity provider's key that signed them. */
  tickets = new Map<string, number>();
  /** How often somebody joined with one of them. */
  joins = new Map<string, number>();
  /** In log order. */
  revocations: LoggedRevocation[] = [];
  /** A key that the root revoked revokes nothing but what is kept. False until the first start under rules 2. */
  endsKeys = false;
  /** Ids of revocations that counted until then, by keys that were ended before an end could say what stays. */
  lapsed: string[] = [];
  presence = new Presence(0);
  /** Runs that are open, and those in `unstored`. */
  runs = new Map<string, Run>();
  finished = new Map<string, FinishedRun>();
  index = new RunIndex<Run>();
  /** Runs whose last published verdict may not be stored yet. */
  unstored = new Set<string>();
  /** Runs whose alarm nobody has acknowledged, the oldest first: the newest `controllerLimits.alarmsMax`. */
  alarms = new Set<string>();
  /** Runs that have ended and are opened again once their documents are here. */
  recalls = new Set<string>();
  /** Hexadecimal sha256 of the bundle that was stored last, by run. */
  bundles = new Map<string, string>();
  /** Offers that still take claims: offer id to run id. */
  offers = new Map<string, string>();
  /** Live leases and those kept for co-signing: lease id to run id. */
  leases = new Map<string, string>();
  /** Its operator wants it to end: see `isHeld`. Until the next start. */
  draining = false;
  /** The journal was restored from a copy that was behind, and its leaves came from members. */
  recovered = false;
  /** Ids of revocations, and of the newest charter, of such leaves whose documents no member has shown yet, with their indexes. */
  withheld = new Map<string, number>();
  /** Ids of requests whose rounds are in the log and whose documents are in no copy. */
  lost = new Set<string>();

  constructor(id: string, idp: string) {
    this.id = id;
    this.idp = idp;
  }
}

/** One event being handled: the state it changes, and what comes of it. */
export class Transition {
  readonly state: ControllerState;
  /** Ms since the epoch. */
  readonly now: number;
  /** `Controller.rules` of when the event was taken: a replay comes to what was promised on then. */
  readonly rules: number;
  readonly out: ControllerEffect[] = [];
  /** Runs whose published verdict changed, or that ended: the runs that read them are reviewed at the end of the event. */
  readonly dirty = new Set<string>();
  /** `lazy` by default: a power failure may then lose who was present, who claimed and who held a lease. */
  durability: Durability = 'lazy';

  constructor(state: ControllerState, now: number, rules: number) {
    this.state = state;
    this.now = now;
    this.rules = rules;
  }

  /** The event changes the log, makes a promise or lets bytes be published, so it must not be lost. */
  mustSync(): void {
    this.durability = 'sync';
  }

  /** The event left the state as it was. */
  unchanged(): void {
    assert(this.durability === 'lazy', 'an event that must be synced changed something');
    this.durability = 'none';
  }

  /** Returns the index of the new leaf. */
  appendLeaf(leaf: string): number {
    this.mustSync();
    return this.state.log.append(leaf);
  }

  reply(token: string, reply: Reply): void {
    this.out.push({ kind: 'reply', token, reply });
  }

  refuse(code: ErrorCode, candidate: Candidate, message: string): void {
    this.reply(tokenOf(this.state, candidate), { kind: 'error', code, message });
  }

  release(code: ErrorCode, worker: string, lease: string, message: string): void {
    this.out.push({ kind: 'release', worker, lease, code, message });
  }

  tell(run: RunFacts, progress: Progress): void {
    if (dirtying.has(progress.kind)) this.dirty.add(run.id);
    considerAlarm(this.state, run.id, progress);
    run.history.push({ at: this.now, progress });
    this.out.push({ kind: 'progress', run: run.id, progress });
  }
}

/** Kinds of progress after which the level of a run may have changed for the jobs that read it. */
const dirtying: ReadonlySet<Progress['kind']> = new Set([
  'verdict',
  'contradicted',
  'input-lost',
  'revoked',
  'restored',
  'cancelled',
]);

/** A dispute, a build that differs from the one before, or a trusted worker that contradicts or refuses to sign is an alarm until somebody has looked. */
function considerAlarm({ alarms }: ControllerState, run: string, progress: Progress): void {
  const { kind } = progress;
  if (kind === 'acknowledged') alarms.delete(run);
  const disputed = kind === 'verdict' && shownLevel(progress.level, progress.reason) === 'disputed';
  const differs = kind === 'repeated' && isAlarmingRepeat(progress);
  if (!disputed && !differs && kind !== 'contradicted' && kind !== 'cosign-refused') return;
  alarms.delete(run);
  alarms.add(run);
  dropOldest(alarms, controllerLimits.alarmsMax);
}

/** The published verdict; null before the first one, and again while a new round runs after a contradiction. */
export function publishedOf(run: Run): Published | null;
export function publishedOf(run: RunFacts): PublishedFacts | null;
export function publishedOf({ phase }: RunFacts): PublishedFacts | null {
  return 'published' in phase ? phase.published : null;
}

/** The verdict that waits for a co-signature or for witnesses. */
export function drafted({ phase }: Run): LoggedVerdict | null {
  return 'draft' in phase ? phase.draft : null;
}

/** The verdict that waits, or else the published one. */
export function verdictOf(run: Run): LoggedVerdict | null;
export function verdictOf(run: RunFacts): LoggedVerdictFacts | null;
export function verdictOf(run: RunFacts): LoggedVerdictFacts | null {
  return 'draft' in run.phase ? run.phase.draft : (publishedOf(run)?.verdict ?? null);
}

export function publishedLevelOf(run: RunFacts): VerdictLevel | null {
  return publishedOf(run)?.verdict.level ?? null;
}

export function outcomeOf(run: RunFacts): Outcome | null {
  return verdictOf(run)?.outcome ?? null;
}

export function documentsOf(run: Run, { receipt }: Recorded): ReceiptDocuments {
  const documents = run.documents.get(receipt);
  assert(documents !== undefined, 'a run that has not ended holds the documents of its receipts');
  return documents;
}

export function allRuns({ finished, runs }: Pick<ControllerState, 'finished' | 'runs'>): RunFacts[] {
  return [...finished.values(), ...runs.values()];
}

export function liveLeases(run: Run): LiveLease[] {
  // Asked for each open run at each event.
  const live: LiveLease[] = [];
  for (const { slots } of run.rounds)
    for (const slot of slots) if (slot.kind === 'leased') live.push(slot.live);
  if (run.trusted.kind === 'leased') live.push(run.trusted.live);
  return live;
}

export const currentRound = (run: Run): Round | undefined => run.rounds.at(-1);

/** The run of an offer that still takes claims. */
export const runOfOffer = ({ offers, runs }: ControllerState, offer: string): Run | undefined =>
  runs.get(offers.get(offer) ?? '');

/** The run of a lease that is live or kept for co-signing. */
export const runOfLease = ({ leases, runs }: ControllerState, lease: string): Run | undefined =>
  runs.get(leases.get(lease) ?? '');

export type EventOf<K extends ControllerEvent['kind']> = Extract<ControllerEvent, { kind: K }>;
