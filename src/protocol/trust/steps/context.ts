import type { NamedRecipe } from '../../base/recipe-name.ts';
import type {
  Bundle,
  Charter,
  Grant,
  Job,
  Lease,
  Offer,
  Policy,
  Receipt,
  Request,
  Verdict,
  Verified,
  VerifiedStatement,
  Verifier,
} from '../../documents/index.ts';
import type { Check } from '../../judge/index.ts';
import type { Checkpoint } from '../../transparency/index.ts';
import type { Decision } from '../decide.ts';
import type { Evidence, Level, Revocations, Vote } from '../evidence.ts';
import type { LogView } from '../log-view.ts';
import type { Revoked } from '../revocations.ts';

/** The caller's demands on a bundle, and its knowledge. */
export interface Expected {
  /** PeerId of the project's root key, which the consumer pins. */
  project: string;
  /** CID of the expected artifact. */
  artifact?: string;
  /** Repository URL and ref it must come from; a ref may leave out `refs/heads/` or `refs/tags/`. */
  source?: string;
  ref?: string;
  /** The job file that is accepted. Absent: where a repository or ref is given, the repository's own `quorate.yaml` only. */
  recipe?: NamedRecipe;
  /** Those that the caller knows of, each opened and held (`openRevocations`). */
  revocations?: readonly Revoked[];
  /** Leaves of the log up to the checkpoint at least: shows what bundles leave out, and false enrolments. */
  log?: LogView;
  /** The caller's clock, in ms since the epoch, for documents that are valid now. Absent: times are compared with each other only. */
  now?: number;
}

export interface Ask {
  readonly bundle: Bundle;
  readonly expected: Expected;
  readonly verifier: Verifier;
  readonly check: Check;
  /** The same for the bundle and for all inputs. */
  readonly log?: LogView;
  /** Those that count under the bundle's charter; none before the charter is opened. */
  readonly revoked: readonly Revoked[];
  decide(policy: Policy, evidence: Evidence, revocations: Revocations): Decision;
  /** The result that a statement votes for or is about. */
  resultOf(statement: Receipt | Verdict): string | null;
}

export interface Authority {
  charter: Verified<Charter>;
  request: Verified<Request>;
  publisher: Verified<Grant>;
  job: Job;
  jobId: string;
}

export interface CheckedReceipt {
  receipt: VerifiedStatement<Receipt>;
  lease: Verified<Lease>;
  grant: Verified<Grant>;
  offer: Verified<Offer>;
}

export interface Opened extends Authority {
  /** Levels of what the job reads, by the name of the input, from their own evidence. */
  inputs: Readonly<Record<string, Level>>;
  offers: Verified<Offer>[];
  receipts: CheckedReceipt[];
  verdict: VerifiedStatement<Verdict>;
}

export interface Logged {
  checkpoint: Checkpoint;
  votes: Vote[];
  verdictIndex: number;
}
