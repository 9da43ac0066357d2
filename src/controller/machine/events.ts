import { assert, type ErrorCode } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import type {
  Ack,
  Capabilities,
  Charter,
  Claim,
  Enrol,
  Grant,
  Invite,
  Job,
  Lease,
  LogEntry,
  Offer,
  Possession,
  Receipt,
  Request,
  Revocation,
  Verdict,
  Verified,
  VerifiedStatement,
} from '../../protocol/documents/index.ts';
import type { OpenedRevocation } from '../../protocol/judge/index.ts';
import { isRising, sessionLimits, sessionTimes } from '../../protocol/sessions/limits.ts';
import type { PeerVersion } from '../../protocol/wire/peer-version.ts';
import type { Progress } from '../../protocol/wire/progress.ts';
import type { Endorsement, Fault, Fetching, Stores, WitnessedLog } from './facts.ts';
import { controllerLimits } from './limits.ts';

/** Timeouts of the controller, in milliseconds. Part of the `started` event, so that a replay uses the same. */
export const defaultTimings = {
  /** Length of a claim window; it closes earlier once every connected eligible operator has answered. */
  windowMs: 2_000,
  /** A slot that nobody took for this long expires. */
  slotFillMs: 10 * 60_000,
  /** Free slots expire after this where enough equal results are in and no connected worker could take them. */
  absenceMs: controllerLimits.absenceMs as number,
  leaseSilenceMs: 30_000,
  /** A lease whose stream broke is kept this long for its worker to come back. */
  detachGraceMs: 10_000,
  /** Added to a job's time limit for checkout, unpacking and packing. */
  leaseOverheadMs: 10 * 60_000,
  pinRetryMs: 2_000,
  pinTriesMax: 15,
  /** The share of the draw doubles this often. */
  widenMs: 5_000,
  /** Lifetime of a grant, `limits.grantSecondsMax` at most. */
  grantMs: limits.grantSecondsMax * 1000,
};
export type Timings = typeof defaultTimings;

const timings = defaultTimings;
assert(timings.windowMs < timings.widenMs, 'a window closes before others may claim');
assert(20 * timings.widenMs <= timings.slotFillMs, 'a share of a millionth is all before a slot expires');
assert(
  timings.slotFillMs < timings.grantMs && timings.leaseOverheadMs < timings.grantMs,
  'both end with the day',
);
assert(timings.detachGraceMs < timings.leaseSilenceMs, 'a worker that comes back finds its lease');
assert(timings.leaseSilenceMs < timings.leaseOverheadMs, 'a lost lease is noticed before it is over');
assert(timings.absenceMs < timings.slotFillMs, 'a slot that nobody could take expires first');
assert(timings.absenceMs <= controllerLimits.absenceMsMax, 'an owner may set the default');
assert(timings.pinTriesMax * timings.pinRetryMs < timings.slotFillMs, 'a pin fails before a slot expires');
assert(2 * sessionTimes.heartbeatMs < timings.leaseSilenceMs, 'one heartbeat may be lost');
assert(sessionTimes.turnWaitMs < timings.leaseSilenceMs, 'a lease lasts while its message waits');
assert(sessionTimes.silenceMs < timings.leaseOverheadMs, 'a lost stream is noticed before its lease is over');
assert(
  1.5 * sessionTimes.feedRetryMsMax + sessionTimes.openMs < controllerLimits.reconnectMs,
  'a worker that lost its connection is back before it counts as gone',
);
assert(controllerLimits.reconnectMs <= timings.leaseSilenceMs, 'and finds its leases');
assert(
  isRising(sessionTimes.cosignRetryMsMin, sessionTimes.cosignRetryMsMax, controllerLimits.cosignAbsentMsMax),
  'a trusted worker that lost its stream is back before another one takes its place',
);
assert(
  sessionTimes.feedSilenceMs < controllerLimits.cosignEndedMs,
  'a trusted worker that went silent is gone before it would build again',
);
assert(
  sessionTimes.draftRetryMs < sessionTimes.draftRetryMsMax &&
    sessionTimes.draftRetryMsMax <= controllerLimits.cosignRetryMs,
  'the log is read again before the draft is shown again',
);
assert(sessionTimes.logLateMs < timings.leaseOverheadMs, 'a log comes while its lease may last');
assert(
  sessionLimits.lateWitnessMs < controllerLimits.reconnectMs,
  'what is lacking is told before workers are gone',
);

export interface OlderWorker {
  worker: string;
  operator: string;
  version: string | null;
}

/** `token` identifies the request to which the effect `reply` is the answer. */
export type ControllerEvent =
  /** `keys`: those it signs with from now on; without them the ones before. */
  | {
      kind: 'started';
      charter: Verified<Charter>;
      timings: Timings;
      keys?: { controller: string; idp: string };
      /** Stores that keep artifacts from now on; absent where the controller does. */
      stores?: Stores;
    }
  /** These leaves follow an older copy of the journal, as members kept them; with documents of some. `epoch`: of the highest fence. */
  | {
      kind: 'recovered';
      from: number;
      leaves: string[];
      charters: Verified<Charter>[];
      revocations: OpenedRevocation[];
      epoch: number;
    }
  /** A member that joined after the copy was made shows its grant. */
  | { kind: 'readmit'; grant: Verified<Grant> }
  | { kind: 'charter'; charter: Verified<Charter> }
  | {
      kind: 'enrol';
      token: string;
      enrol: Verified<Enrol>;
      invite: Verified<Invite>;
      possession?: Verified<Possession>;
    }
  | { kind: 'renew'; token: string; enrol: Verified<Enrol> }
  | {
      kind: 'submit';
      token: string;
      request: Verified<Request>;
      publisher: Verified<Grant>;
      job: Job;
      jobId: string;
      entropy: string;
      /** Operators whose workers were connected then; absent in journals of before. */
      around?: number;
    }
  | { kind: 'present'; grant: Verified<Grant>; capabilities: Capabilities; version: PeerVersion | null }
  | { kind: 'absent'; worker: string }
  | { kind: 'claim'; token: string; claim: Verified<Claim>; grant: Verified<Grant> }
  /** Raised by the machine: no connected worker that has yet to answer could have a lower draw than those who get the slots. */
  | { kind: 'answered'; offer: string }
  /** Raised by the machine: nobody was connected for `absenceMs` who could take the slots that are left of a round with enough equal results. */
  | { kind: 'untaken'; offer: string }
  /** Raised by the machine: the worker of a lease went silent. */
  | { kind: 'silent'; lease: string }
  /** Raised by the machine: the trusted worker of a draft is gone or does not sign, and another one is there. */
  | { kind: 'hand-over'; lease: string; reason: string }
  /** The reason in a claim of a worker that takes no slot; the claim itself is an event of its own. */
  | { kind: 'passed'; worker: string; offer: string; reason: string }
  /** Raised by the machine: only these workers could take the job, and none of them can read it. `version`: of the program; null where it states none. */
  | { kind: 'outdated'; run: string; workers: OlderWorker[] }
  | { kind: 'resume'; token: string; lease: Verified<Lease>; worker: string }
  | { kind: 'detached'; worker: string; lease: string }
  | { kind: 'heartbeat'; worker: string; lease: string }
  /** `limit`: where the build was aborted at one, as its worker reports it. */
  | {
      kind: 'receipt';
      token: string;
      lease: string;
      receipt: VerifiedStatement<Receipt>;
      limit?: { name: string; max: number };
    }
  /** No receipt comes under this lease: its worker says so, or what it sent is none. */
  | { kind: 'failed'; worker: string; lease: string; code: string; message: string }
  /** How much of an artifact is here by now, of which size, as a worker says: shown only. `from`: workers. */
  | ({ kind: 'fetching'; run: string; artifact: string } & Fetching)
  /** `store`: which of the stores answers; absent where the controller keeps artifacts. */
  | {
      kind: 'pinned';
      run: string;
      artifact: string;
      ok: boolean;
      detail: string;
      store?: string;
      fault?: Fault;
    }
  /**
   * `verdict`: id of the draft that this is about. `log`: the checkpoint that was signed, its root in hexadecimal, where it is not the one of
   * the verdict: of an answer.
   */
  | {
      kind: 'cosigned';
      run: string;
      worker: string;
      verdict: string;
      signature: string;
      witness: string;
      log?: { size: number; root: string };
    }
  /** `verdict` absent: of whichever is shown now. */
  | { kind: 'cosign-refused'; run: string; worker: string; verdict?: string; code: string; message: string }
  /** Witnesses signed this checkpoint, whose root is in hexadecimal; `verdict`: id of the one that waits for them. */
  | { kind: 'witnessed'; run: string; verdict: string; root: string; log: WitnessedLog }
  /** The bundle of this verdict, an id, is stored and was published. `sha256`: of its text; absent in older journals. */
  | { kind: 'stored'; run: string; verdict: string; sha256?: string }
  /** Whether the trusted bundle of a run that a restore lost is served: shown only. `tree`: which it is about. */
  | { kind: 'given-back'; run: string; bundle: { tree: string | null } | null }
  | { kind: 'revoke'; token: string; revocation: Verified<Revocation> }
  /** The documents of a run that has ended, so that it can be built again; null where they cannot be read any more. */
  | { kind: 'recalled'; run: string; entropy: string; documents: RunDocuments | null }
  /** `which` as in `findRun`; `by` is the key that asks, proven by its connection. */
  | { kind: 'cancel'; token: string; which: string; by: string; reason: string }
  /** A publisher has looked at the alarm of this run. `by`: an operator, or the name that is signed in at a page. */
  | { kind: 'acknowledge'; token?: string; run: string; by: string }
  /** Its operator wants it to end once the leases that are live have. */
  | { kind: 'drain' }
  | { kind: 'tick' };

export interface ReceiptDocuments {
  receipt: Verified<Receipt>;
  lease: Lease;
  grant: Verified<Grant>;
}

/** Documents of a run, from the bundle of its last verdict. */
export interface RunDocuments {
  request: Verified<Request>;
  publisher: Verified<Grant>;
  job: Job;
  /** Of all rounds, in order. */
  offers: Offer[];
  receipts: ReceiptDocuments[];
}

/** The parts of a bundle. The sessions sign those of the controller (Ed25519 is deterministic). */
export interface BundleDraft {
  /** The key that gave the verdict, which signs the controller's documents. */
  controller: string;
  charter: string;
  request: string;
  publisher: string;
  job: Job;
  /** Runs whose artifacts the job reads, directly or not. */
  inputs: string[];
  offers: Offer[];
  receipts: { envelope: string; lease: Lease; grant: string }[];
  verdict: Verdict;
  checkpoint: { size: number; root: string };
  entries: LogEntry[];
  endorsement: Endorsement;
}

export type Reply =
  | { kind: 'error'; code: ErrorCode; message: string; hint?: string }
  | { kind: 'accepted'; run: string; job: string }
  | { kind: 'grant'; grant: Grant; charter: string }
  | { kind: 'standby' }
  | { kind: 'reserve' }
  | { kind: 'lease'; run: string; lease: Lease }
  | { kind: 'ack'; ack: Ack }
  | { kind: 'cancelled'; run: string }
  | { kind: 'acknowledged'; run: string }
  /** `index`: of its leaf. */
  | { kind: 'revoked'; index: number };

type RaisedKind = 'answered' | 'untaken' | 'silent' | 'hand-over' | 'passed' | 'outdated';

export type ControllerEffect =
  /** Dispatch this event: it follows from what is not in the journal. */
  | { kind: 'raise'; event: Extract<ControllerEvent, { kind: RaisedKind }> }
  | { kind: 'reply'; token: string; reply: Reply }
  /** Sign, gossip and put into the backlog. */
  | { kind: 'offer'; run: string; offer: Offer }
  | { kind: 'unoffer'; offer: string }
  /** On the worker's open lease stream: its round is revealed. */
  | { kind: 'reveal'; worker: string; lease: string }
  /** On the worker's open lease stream: the lease is over without a result. */
  | { kind: 'release'; worker: string; lease: string; code: ErrorCode; message: string }
  /** Fetch and keep the artifact, or have each of these stores keep it; answer with `pinned`, once for each store. */
  | { kind: 'pin'; run: string; artifact: string; from: string[]; stores?: string[] }
  /** Fetch and keep a log or a dissenting tree, as far as it can be had. */
  | { kind: 'keep'; run: string; root: string; from: string }
  /** Send the draft bundle of this run to the trusted worker, on the stream of that lease. */
  | { kind: 'cosign'; run: string; worker: string; lease: string }
  /** Show the drafts of answers that wait to a trusted worker, together. */
  | { kind: 'cosign-answers' }
  /** Assemble, store and publish the bundle of this run. Idempotent. */
  | { kind: 'verdict'; run: string }
  /** Read the documents of this run, which has ended; answer with `recalled`. */
  | { kind: 'recall'; run: string }
  /** Gossip a revocation, and tell present workers of it. */
  | { kind: 'revocation'; id: string }
  | { kind: 'progress'; run: string; progress: Progress };
