import type { Job, Lease, Offer, Receipt, Request, Verified } from '../documents/index.ts';
import type { BuildResult } from './events.ts';

/** An offer this worker has looked at. */
export interface Known {
  offer: Verified<Offer>;
  request: Verified<Request>;
  job: Job;
  jobId: string;
  entropy: string;
  firstSeenAt: number;
  state: 'waiting' | 'claimed' | 'reserve' | 'passed' | 'leased' | 'done';
  /** While `waiting`: when the share reaches this operator's draw. */
  claimAt: number;
}

/** A lease this worker holds, from its build until its result is served or let go. */
export interface Assignment {
  lease: Verified<Lease>;
  offer: string;
  request: string;
  job: Job;
  repo: string;
  ref: string;
  /** `queued` while earlier builds use what this machine lends; `revealed` until its result is published. */
  state: 'queued' | 'building' | 'built' | 'acked' | 'revealed';
  result: BuildResult | null;
  receipt: Receipt | null;
  retryAt: number | null;
}
