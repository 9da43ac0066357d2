import type { AllowedHosts } from '../../protocol/base/host-entry.ts';
import type {
  Ack,
  Capabilities,
  Claim,
  FileHash,
  Grant,
  Job,
  Lease,
  Offer,
  Outcome,
  Receipt,
  Request,
  Unpinned,
  Verified,
} from '../../protocol/documents/index.ts';
import type { BuildLimit } from '../../protocol/judge/index.ts';

/** The result of one build. Times are ISO 8601; `files` with their sha256, for the receipt's subjects. */
export interface BuildResult {
  outcome: Outcome;
  /** The limit of the job or the protocol at which it was aborted. One of the operator's own machine is not stated. */
  limit?: BuildLimit;
  files: FileHash[];
  log: string | null;
  sandbox: { tier: string; profile: string; portable: boolean; unpinned?: Unpinned };
  startedOn: string;
  finishedOn: string;
  nonce: string;
  /** The worker's signature of its in-toto link, where something was made. */
  link?: string;
}

/** Resources the operator lends. */
export interface Lending {
  capabilities: Capabilities;
  jobsAtOnce: number;
  /** Processes and threads of all builds together, and the time of one build; as many as a job asks for unless told. */
  pids?: number;
  seconds?: number;
  /** Hosts that jobs may have it connect to; all of them where it is left out, as in journals of before. */
  hosts?: AllowedHosts;
  /** Of these, names without a port that it connects to no more for the moment. */
  spent?: readonly string[];
  /** Reason why no new job is taken at the moment, such as "paused by its operator". */
  closed?: string;
}

export type WorkerEvent =
  | { kind: 'started'; grant: Verified<Grant>; lending: Lending }
  | { kind: 'grant'; grant: Verified<Grant> }
  /** The operator changed what it lends. */
  | { kind: 'lending'; lending: Lending }
  | {
      kind: 'offer';
      offer: Verified<Offer>;
      request: Verified<Request>;
      job: Job;
      jobId: string;
      entropy: string;
      /** That building it may connect to, as `hostsOfJob` says; absent in journals of before. */
      hosts?: readonly string[];
      /** Since it was heard of, in ms; none where it is left out. */
      waitedMs?: number;
    }
  /** The claim got no slot when the window closed; a lease may still come. */
  | { kind: 'reserve'; offer: string }
  /** `again`: what it was declined for is mended, so the claim is made once more. */
  | { kind: 'declined'; offer: string; code: string; message: string; again?: true }
  | { kind: 'leased'; offer: string; lease: Verified<Lease> }
  | { kind: 'built'; lease: string; result: BuildResult }
  /** There will be no receipt: the build, or its signing or sending, ended in an error that is no outcome of a build. */
  | { kind: 'failed'; lease: string; code: string; message: string }
  | { kind: 'acked'; lease: string; ack: Verified<Ack> }
  | { kind: 'refused'; lease: string; code: string; message: string }
  | { kind: 'revealed'; lease: string }
  /** The result is published and served. */
  | { kind: 'published'; lease: string }
  | { kind: 'released'; lease: string; code: string; message: string }
  /** The stream of a lease broke. */
  | { kind: 'detached'; lease: string }
  /** The evidence of a draft was checked; `code` and `message` say why not where `ok` is false. */
  | {
      kind: 'cosign-checked';
      lease: string;
      request: string;
      /** `resultOf` the verdict. */
      result: string | null;
      ok: boolean;
      code: string;
      message: string;
    }
  /** The draft of an answer from an earlier build was checked; no lease is held for it. `iat` and `exp`: of the request, in seconds. */
  | {
      kind: 'answer-checked';
      request: string;
      /** Id of the draft. */
      verdict: string;
      /** The operator that published the request; absent in journals of before, and where the evidence does not hold. */
      publisher?: string;
      iat: number;
      exp: number;
      ok: boolean;
      code: string;
      message: string;
    }
  | { kind: 'tick' };

/** Of a request: whose artifacts its job reads, and the job file that these have to be of too. */
export interface Reads {
  needs: NonNullable<Request['needs']>;
  recipe?: Request['recipe'];
}

/** `limit`: as in the result of the build. */
export interface SentReceipt {
  receipt: Receipt;
  limit?: BuildLimit;
}

export type WorkerEffect =
  /** Open a lease stream with this claim. */
  | { kind: 'claim'; offer: string; claim: Claim }
  | { kind: 'build'; lease: string; job: Job; repo: string; ref: string; reads: Reads }
  | { kind: 'stop-build'; lease: string }
  /** The result of a build is kept: a restart does not build again. */
  | { kind: 'tell-built'; lease: string; job: string; outcome: Outcome }
  /** Sign and send on the lease's stream; repeated after each reconnect until it is acknowledged. */
  | ({ kind: 'send-receipt'; lease: string } & SentReceipt)
  /** Tell the controller on the lease's stream that no receipt comes. Without a stream it learns so by the silence. */
  | { kind: 'give-up'; lease: string; code: string; message: string }
  /** Open a new stream for a lease whose stream broke. */
  | { kind: 'resume'; lease: Verified<Lease> }
  /** The round is revealed. Repeated after a restart until `published`. `test`: reports, which are served and not announced. */
  | { kind: 'publish'; lease: string; artifact: string | null; log: string | null; test?: true }
  | { kind: 'discard'; lease: string }
  | { kind: 'cosign'; lease: string }
  | { kind: 'refuse-cosign'; lease: string; code: string; message: string }
  | { kind: 'sign-answer'; verdict: string }
  | { kind: 'refuse-answer'; verdict: string; code: string; message: string }
  /** Ask for the backlog. */
  | { kind: 'poll' }
  | { kind: 'note'; lease: string | null; says: string };
