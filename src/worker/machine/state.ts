import type { Job, Lease, Receipt, Verified } from '../../protocol/documents/index.ts';
import type { BuildResult, Reads, WorkerEvent } from './events.ts';
import { workerLimits } from './limits.ts';

/** Version of the machine's rules: grows with every change of what comes of an event, and of the shape of events. */
export const workerRules = 2;

type Told = Extract<WorkerEvent, { kind: 'offer' }>;

/** An offer this worker knows. */
export interface KnownOffer extends Pick<Told, 'offer' | 'request' | 'job' | 'jobId' | 'entropy'> {
  /** That building it may connect to. */
  hosts: readonly string[];
  firstSeenAt: number;
  state: 'waiting' | 'claimed' | 'reserve' | 'passed' | 'leased' | 'done';
  /** While `waiting`: when the share reaches this operator's draw. */
  claimAt: number;
}

/** An offer that is heard of at `now`. */
export const knownFrom = (
  { kind: _, hosts = [], waitedMs = 0, ...told }: Told,
  state: KnownOffer['state'],
  now: number,
): KnownOffer => ({ ...told, hosts, state, firstSeenAt: now - waitedMs, claimAt: now });

/** A round as its leaf has it. */
export interface LoggedRound {
  offer: string;
  /** Index of its leaf in the log. */
  index: number;
  job: string;
  request: string;
}

/** A lease this worker holds, until its result is published or deleted. */
export interface Assignment {
  lease: Verified<Lease>;
  offer: string;
  /** The offer as it came, compact JWS. */
  offerRaw: string;
  /** Index of the leaf of the offer in the log. */
  offerIndex: number;
  request: string;
  job: Job;
  repo: string;
  ref: string;
  reads: Reads;
  /** `queued` while earlier builds use what is lent; `revealed` until its result is published. */
  state: 'queued' | 'building' | 'built' | 'acked' | 'revealed';
  result: BuildResult | null;
  receipt: Receipt | null;
  retryAt: number | null;
}

export function roundOf(held: Assignment | undefined): LoggedRound | undefined {
  if (held === undefined) return undefined;
  const { offer, offerIndex: index, request, lease } = held;
  return { offer, index, job: lease.payload.job, request };
}

/** Jobs that are building, leased or claimed. */
export function promised(
  assignments: ReadonlyMap<string, Assignment>,
  known: ReadonlyMap<string, KnownOffer>,
): Job[] {
  const held = [...assignments.values()].filter(({ state }) => state === 'queued' || state === 'building');
  const claimed = [...known.values()].filter(({ state }) => state === 'claimed');
  return [...held, ...claimed].map(({ job }) => job);
}

/** Forgets offers that were answered, where as many are known as are kept. */
export function forgetAnswered(known: Map<string, KnownOffer>): void {
  for (const [id, { state }] of known) {
    if (known.size < workerLimits.offersKnownMax) return;
    if (state === 'passed' || state === 'done') known.delete(id);
  }
}
