import type { Capabilities, Job } from '../src/core/documents/index.ts';

/** What travels on the simulated streams: the frames of the real protocols, without their bytes. */
export interface OfferNotice {
  offer: string;
  request: string;
  job: Job;
  jobId: string;
}

export type FeedUp = { kind: 'hello'; grant: string; capabilities: Capabilities } | { kind: 'poll' };
export type FeedDown = { kind: 'backlog'; offers: OfferNotice[] };

export type LeaseUp =
  | { kind: 'claim'; claim: string; grant: string }
  | { kind: 'resume'; lease: string }
  | { kind: 'heartbeat' }
  | { kind: 'receipt'; envelope: string }
  | { kind: 'cosigned'; signature: string; witness: string }
  | { kind: 'cosign-refused'; code: string; message: string };

export type LeaseDown =
  | { kind: 'standby' }
  | { kind: 'reserve' }
  | { kind: 'lease'; lease: string }
  | { kind: 'ack'; ack: string }
  | { kind: 'reveal' }
  | { kind: 'release'; code: string; message: string }
  | { kind: 'cosign'; bundle: string; leaves: string[] }
  | { kind: 'error'; code: string; message: string };

export type ApiUp =
  | { kind: 'enrol'; enrol: string; invite: string }
  | { kind: 'submit'; request: string; publisher: string; job: Job; jobId: string }
  | { kind: 'cancel'; run: string };
export type ApiDown =
  | { kind: 'grant'; grant: string }
  | { kind: 'accepted'; run: string }
  | { kind: 'cancelled'; run: string }
  | { kind: 'error'; code: string; message: string };
