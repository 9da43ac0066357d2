import type { Job, Lease, Verified } from '../src/core/documents/index.ts';
import type { WorkerEvent } from '../src/core/worker/events.ts';

/** False statements a forger makes about its lease. */
export function liesAbout({ slot, fence: { epoch, n } }: Lease): object[] {
  return [
    { slot: slot === 0 ? 1 : 0 },
    { slot: 'trusted' },
    { fence: { epoch, n: n + 1 } },
    { fence: { epoch: epoch + 1, n } },
    { operator: 'owner' },
  ];
}

/** The job of a lease, from the offers this worker has seen. */
export function jobOf(journal: readonly { event: WorkerEvent }[], lease: Verified<Lease>): { job: Job } {
  const seen = journal.find(
    ({ event }) => event.kind === 'offer' && event.jobId === lease.payload.job,
  )?.event;
  if (seen?.kind !== 'offer') throw new Error('a lease is for an offer that was seen');
  return seen;
}
