import type { Ending } from '../../protocol/account/index.ts';
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
import type { Progress } from '../../protocol/wire/progress.ts';
import type { BackingFacts } from './backing.ts';
import type { StoreAnswers } from './store-answers.ts';

/** An acknowledged receipt, without its document. Never removed or changed. */
export interface Recorded extends Vote {
  /** Id of its lease. */
  readonly lease: string;
  /** The limit of the job or the protocol at which its worker says that the build was aborted. */
  readonly limit?: BuildLimit;
}

/** A verdict in the log, without its document. */
export interface VerdictFacts {
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
  readonly verdict: VerdictFacts;
  readonly backing: BackingFacts;
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
  /** A round is open and sealed. */
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
  /** The draft was sent to the trusted worker on the stream of this lease. */
  | {
      kind: 'cosigning';
      worker: string;
      lease: string;
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

/** An instance that a run was built as before, with other artifacts filled in. Nothing of it counts any more. */
export interface EarlierInstance {
  readonly jobId: string;
  readonly rounds: readonly RoundFacts[];
  readonly receipts: readonly Recorded[];
}

/**
 * Facts of every run, kept for as long as the project lasts. Holds no document: its size is bounded by the number of
 * rounds and slots, whatever the receipts list.
 */
export interface RunFacts {
  readonly id: string;
  /** Of the template, until the job has its inputs. */
  readonly jobId: string;
  readonly job: Pick<Job, 'name' | 'kind' | 'image' | 'limits' | 'inputs'>;
  readonly request: {
    readonly signer: string;
    readonly payload: Pick<
      Request,
      'aud' | 'repo' | 'ref' | 'commit' | 'recipe' | 'policy' | 'exp' | 'needs'
    >;
  };
  readonly publisher: { readonly signer: string; readonly payload: Pick<Grant, 'operator'> };
  readonly submittedAt: number;
  /** Of the job that it is built as now, and so are its receipts. */
  readonly rounds: readonly RoundFacts[];
  readonly receipts: readonly Recorded[];
  /** Bytes that a bundle holds of it by now, at most: its documents with a verdict, and its receipts so far. */
  readonly evidence: { readonly own: number; readonly receipts: number };
  /** Oldest first. */
  readonly earlier: readonly EarlierInstance[];
  /** The earlier run of the same job that the verdict or draft rests on, as it had ended; null where this run is built. */
  readonly answer: FinishedRun | null;
  readonly phase: Phase;
  /** Why the published verdict does not stand any more. */
  revoked: Revoked | null;
  readonly history: { at: number; progress: Progress }[];
}

/** All that is kept of a run that is over and whose bundle is stored, or that has none. */
export interface FinishedRun extends RunFacts {
  readonly phase: Extract<Phase, { kind: 'done' | 'cancelled' }>;
}

/** Whether the run has ended, with a verdict or by its publisher. */
export function isOver({ phase }: RunFacts): boolean {
  return phase.kind === 'done' || phase.kind === 'cancelled';
}

/** The artifact that a run made with this outcome. A test makes none: what it puts out are reports. */
export function artifactIn(
  { job }: Pick<RunFacts, 'job'>,
  outcome: Outcome | null | undefined,
): string | null {
  return outcome === null || outcome === undefined || job.kind === 'test' ? null : artifactOf(outcome);
}

/** The tree of reports that a test put out. */
export function reportsIn(
  { job }: Pick<RunFacts, 'job'>,
  outcome: Outcome | null | undefined,
): string | null {
  return outcome === null || outcome === undefined || job.kind !== 'test' ? null : artifactOf(outcome);
}
