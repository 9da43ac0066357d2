import type { CountedReceipt, Policy, Recipe } from '../documents/index.ts';
import type { Level } from './evidence.ts';
import type { VerdictPlace } from './steps/place.ts';

export type StepName =
  | 'charter'
  | 'request'
  | 'job'
  /** Only of a job that reads artifacts. */
  | 'inputs'
  | 'offers'
  | 'receipts'
  | 'verdict'
  | 'log'
  /** Only where the job was not built for this request. */
  | 'earlier'
  | 'revocations'
  | 'decision'
  | 'co-signature'
  | 'expected'
  | 'files'
  /** Only where a copy of the job file is given. */
  | 'job file'
  | 'age';

export interface VerificationStep {
  step: StepName;
  ok: boolean;
  /** Why not; stable. */
  code: string | null;
  /** One sentence for a person. Quotes documents. */
  says: string;
}

export interface VerifiedFacts {
  name: string;
  job: string;
  /** Of a test the files are reports, and no artifact. */
  kind: 'build' | 'test';
  request: string;
  /** Log index at which the request was opened: of its first round's offer, or of the verdict where nothing was built for it. */
  index: number;
  /** Signer of that index beside the controller. Nothing may be ordered by an index that only the controller states. */
  place: VerdictPlace;
  /** The operator that asked for it. */
  publisher: string;
  /** When the publisher says it asked, ISO 8601. */
  requested: string;
  repo: string;
  ref: string;
  commit: string;
  /** The job file, where that is not the source's own `quorate.yaml`; null otherwise. So its publisher says. */
  recipe: Recipe | null;
  policy: Policy;
  artifact: string | null;
  /** Files of the artifact, as the verdict lists them. */
  files: { path: string; sha256: string }[];
  /** The operators that count towards N. */
  operators: string[];
  /** Receipts of runs that ended otherwise than the verdict says, or made other files. */
  dissent: CountedReceipt[];
  /** Trusted workers that signed the verdict. Without one whoever holds the controller can forge what it says. */
  cosigners: string[];
  /** Inputs of the job, by name, with the level that their own evidence comes to; no artifact of one that it only waited for. */
  inputs: Record<string, { artifact: string | null; level: Level }>;
  /** The earlier request that it was built for, where it was not built for this one; null otherwise. */
  earlier: string | null;
  /** When the controller says it decided on what was built, ISO 8601. */
  time: string;
  /** Signers of the log that it is in, where no co-signature is required: operators, and witnesses that the charter names. */
  witnesses: { operators: string[]; named: string[] };
  /** When the first of the trusted workers or witnesses that signed saw it in the log, by its own clock; null where none did. */
  witnessed: string | null;
}

export interface Verification {
  /** Every step held. Whether to use the artifact depends on `level`. */
  ok: boolean;
  /** `none` unless `ok`. */
  level: Level;
  /** In order, up to the first that failed. */
  steps: VerificationStep[];
  /** Of the step that failed. */
  code: string | null;
  facts: VerifiedFacts | null;
}
