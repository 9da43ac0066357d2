import { type Ending, lostInRestore } from '../../protocol/account/index.ts';
import type { TransferState } from '../../protocol/base/transfer-meter.ts';
import {
  artifactOf,
  type Charter,
  type Grant,
  type Job,
  type Offer,
  type Outcome,
  type Request,
  type VerdictLevel,
  type Verified,
} from '../../protocol/documents/index.ts';
import type { BuildLimit } from '../../protocol/judge/index.ts';
import type { Vote } from '../../protocol/trust/decide.ts';
import type { Revoked } from '../../protocol/trust/revocations.ts';
import type { OpenedWitnesses } from '../../protocol/trust/witnesses.ts';
import type { Progress } from '../../protocol/wire/progress.ts';

/** An artifact that is being fetched from workers. */
export interface Fetching extends TransferState {
  from: readonly string[];
}

/** An acknowledged receipt, without its document. Never removed or changed. */
export interface Recorded extends Vote {
  readonly lease: string;
  /** The limit of the job or the protocol at which its worker says that the build was aborted. */
  readonly limit?: BuildLimit;
}

/** A verdict in the log, without its document. */
export interface LoggedVerdictFacts {
  readonly id: string;
  readonly index: number;
  /** The charter that was in force: its evidence is judged by this one, whatever comes later. */
  readonly charter: Verified<Charter>;
  readonly level: VerdictLevel;
  readonly outcome: Outcome | null;
  /** `resultOf` the verdict. */
  readonly result: string | null;
}

/** A published verdict, without its document. */
export interface PublishedFacts {
  readonly verdict: LoggedVerdictFacts;
  readonly endorsement: EndorsementFacts;
  /** Why it states no result; null where it states one. */
  readonly ending: Ending | null;
  /** The limit at which the builds of the run were aborted. */
  readonly limit?: BuildLimit;
}

export type Phase<P extends PublishedFacts = PublishedFacts> =
  /** Some input does not have the level yet, or does not have it any more, that the request asks for. */
  | { kind: 'waiting' }
  /** The job was built for an earlier request; it is looked whether the artifact is still there. */
  | { kind: 'answering'; from: string; artifact: string; answers: StoreAnswers }
  | { kind: 'building' }
  /** A round ended with N failed builds, which count once the trusted worker's fails too. */
  | { kind: 'awaiting-trusted' }
  /** No agreement, or a failure, on inputs that are not trusted yet: it is decided again once they are. */
  | { kind: 'held' }
  /** `delayed`: stores that should keep it could not be reached, or had no room; told once. */
  | {
      kind: 'pinning';
      artifact: string;
      tries: number;
      retryAt: number | null;
      answers: StoreAnswers;
      delayed: boolean;
    }
  /** The bytes are pinned, N operators agree, the trusted worker's receipt is missing. */
  | { kind: 'agreed'; published: P }
  /** The draft was sent on the streams of the leases `askedToSign`. */
  | {
      kind: 'cosigning';
      draft: P['verdict'];
      published: P | null;
      /** The trusted worker could not check it, for a reason that may pass; told once. */
      delayed: boolean;
      /** When it refused for good, ms since the epoch; another trusted worker may be asked. */
      refusedAt: number | null;
    }
  /** The job was built for an earlier request, and a trusted worker has to sign that answer. `delayed`: as in `cosigning`. */
  | { kind: 'answer-cosigning'; draft: P['verdict']; published: P | null; delayed: boolean }
  /** Trusted without a co-signature, once enough witnesses have signed the log that it is in. */
  | { kind: 'witnessing'; draft: P['verdict']; published: P | null }
  | { kind: 'done'; published: P }
  /** Ended by its publisher. What was published before stays published. */
  | { kind: 'cancelled'; reason: string; published: P | null };

export interface RoundFacts {
  readonly offer: Pick<Offer, 'iss' | 'index'>;
  readonly revealed: boolean;
}

export const roundFacts = ({ rounds }: Pick<RunFacts, 'rounds'>): RoundFacts[] =>
  rounds.map(({ offer: { iss, index }, revealed }) => ({ offer: { iss, index }, revealed }));

/** An instance that a run was built as before, with other artifacts filled in. Nothing of it counts any more. */
export interface EarlierInstance {
  readonly jobId: string;
  readonly rounds: readonly RoundFacts[];
  readonly receipts: readonly Recorded[];
}

/** Facts of every run, kept for good. They hold no document: rounds and slots bound their size. */
export interface RunFacts {
  readonly id: string;
  /** Id of the template, until the job has its inputs. */
  readonly jobId: string;
  readonly job: Pick<Job, 'name' | 'kind' | 'image' | 'limits' | 'inputs'>;
  readonly request: {
    readonly signer: string;
    readonly payload: Pick<
      Request,
      'aud' | 'repo' | 'ref' | 'commit' | 'recipe' | 'policy' | 'exp' | 'needs' | 'more'
    >;
  };
  readonly publisher: { readonly signer: string; readonly payload: Pick<Grant, 'operator'> };
  readonly submittedAt: number;
  /** Rounds of the job that it is built as now; so are its receipts. */
  readonly rounds: readonly RoundFacts[];
  readonly receipts: readonly Recorded[];
  /** Bytes that a bundle holds of it by now, at most: its documents with a verdict, and its receipts so far. */
  readonly evidence: { readonly own: number; readonly receipts: number };
  /** Oldest first. */
  readonly earlier: readonly EarlierInstance[];
  /** The earlier run of the same job that the verdict or draft reuses, as it had ended; null where this run is built. */
  readonly reused: FinishedRun | null;
  readonly phase: Phase;
  /** Why the published verdict does not stand any more. */
  revoked: Revoked | null;
  readonly history: { at: number; progress: Progress }[];
}

/** The facts that are kept of a run that is over and whose bundle is stored, or that has none. */
export interface FinishedRun extends RunFacts {
  readonly phase: Extract<Phase, { kind: 'done' | 'cancelled' }>;
}

export function isOver({ phase }: RunFacts): boolean {
  return phase.kind === 'done' || phase.kind === 'cancelled';
}

/** Whether a run ended because leaves of it came back that the restored journal did not have. */
export const isLostInRestore = ({ phase }: Pick<RunFacts, 'phase'>): boolean =>
  phase.kind === 'cancelled' && phase.reason === lostInRestore;

/** The artifact that a run made with this outcome. A test makes none: what it puts out are reports. */
export function artifactIn({ job }: Pick<RunFacts, 'job'>, outcome?: Outcome | null): string | null {
  return job.kind === 'test' ? null : artifactOf(outcome ?? null);
}

export function reportsIn({ job }: Pick<RunFacts, 'job'>, outcome?: Outcome | null): string | null {
  return job.kind === 'test' ? artifactOf(outcome ?? null) : null;
}

/** Artifact stores that keep bytes in the place of a controller, from its last start on. */
export interface Stores {
  ids: readonly string[];
  /** Number of stores that have to keep an artifact before a verdict on it is published. */
  copies: number;
}

/** Answers of stores about one artifact, in this life of the controller. */
export interface StoreAnswers {
  by: string[];
  /** Stores that failed to in this attempt, and whose fault that is. */
  failed: { store: string; fault: Fault }[];
}

/** `signers`: none of the workers that built it served it. `store`: it could not be reached, or has no room. */
export type Fault = 'signers' | 'store';

/** A trusted worker's signature over the verdict (base64), and its witness line for the checkpoint. */
export interface Cosignature {
  worker: string;
  signature: string;
  witness: string;
}

/** A checkpoint with the lines of its witnesses, as bundles hold it. */
export interface WitnessedLog {
  /** Leaves under it. */
  size: number;
  /** The signed note with these lines. */
  note: string;
  /** Verified. */
  lines: OpenedWitnesses;
  /** Grants of witnesses without a receipt of the run. */
  grants: Verified<Grant>[];
}

/** A worker that counts as a witness: its key, its operator, and the identity provider that granted. */
export interface CountedWitness {
  readonly worker: string;
  readonly operator: string;
  readonly issuer: string;
}

/** Signatures beside the controller's on a published verdict, without documents. */
type EndorsementFacts =
  /** No signature: the verdict is not trusted. */
  | { readonly kind: 'none' }
  | { readonly kind: 'cosigned'; readonly workers: readonly string[] }
  /** `size`: leaves under the checkpoint. */
  | { readonly kind: 'witnessed'; readonly size: number; readonly by: readonly CountedWitness[] };

/** The signatures with the documents that the bundle is made of. */
export type Endorsement =
  | Extract<EndorsementFacts, { kind: 'none' }>
  | (Extract<EndorsementFacts, { kind: 'cosigned' }> & {
      readonly cosignatures: readonly Cosignature[];
      /** Leaves under the checkpoint that was signed, where it is a later one than that of the verdict. */
      readonly size?: number;
    })
  | (Extract<EndorsementFacts, { kind: 'witnessed' }> & { readonly log: WitnessedLog });

/** By trusted workers. `size`: as in `Endorsement`. */
export const cosignedBy = (cosignatures: readonly Cosignature[], size?: number): Endorsement => ({
  kind: 'cosigned',
  workers: cosignatures.map(({ worker }) => worker),
  cosignatures,
  ...(size !== undefined && { size }),
});

export const cosignersIn = (endorsement: EndorsementFacts): readonly string[] =>
  endorsement.kind === 'cosigned' ? endorsement.workers : [];

export function endorsementFacts(endorsement: EndorsementFacts): EndorsementFacts {
  const { kind } = endorsement;
  if (kind === 'witnessed') return { kind, size: endorsement.size, by: endorsement.by };
  return kind === 'cosigned' ? { kind, workers: endorsement.workers } : { kind };
}

/** Signatures there are of those that a verdict needs, how many it needs, and which of the charter's witnesses are missing. */
export type Missing = {
  operators: string[];
  operatorsNeeded: number;
  named: string[];
  namedNeeded: number;
  namedMissing: string[];
};

export const precedes = (index: number, other: number): boolean => index < other;
