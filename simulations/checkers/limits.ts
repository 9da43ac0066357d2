import { isOver, type RunFacts } from '../../src/controller/machine/facts.ts';
import { type ControllerState, publishedLevelOf, publishedOf } from '../../src/controller/machine/state.ts';
import { isTrustedSlot } from '../../src/protocol/documents/index.ts';
import { cosignersOf, knownLimit, limitVaries } from '../../src/protocol/judge/index.ts';
import { type Observation, type Observe, type Truth, Violation } from '../observer.ts';

interface Said {
  lease: string;
  worker: string;
  operator: string;
  round: number;
  trusted: boolean;
  /** It came to an end. */
  exited: boolean;
  /** Limit of the job or the protocol; undefined for a build that was aborted for another reason. */
  limit: string | undefined;
  varies: boolean;
}

/** The limit that enough of those who report have come to, counted without what the controller makes of it. */
function reachedBy(said: readonly Said[], { request }: RunFacts): string | undefined {
  const { policy } = request.payload;
  return said.find(({ limit, varies }) => {
    const same = said.filter((one) => limit !== undefined && one.limit === limit);
    const own = new Set(same.flatMap(({ trusted, worker }) => (trusted ? [worker] : [])));
    if (own.size < cosignersOf(policy)) return false;
    const needed = cosignersOf(policy) === 0 ? policy.of : varies ? policy.agree : 1;
    return same.some(({ round }) => {
      const operators = same
        .filter((one) => !one.trusted && one.round === round)
        .map(({ operator }) => operator);
      return new Set(operators).size >= needed;
    });
  })?.limit;
}

function readsUntrusted({ index }: ControllerState, { request }: RunFacts): boolean {
  return Object.values(request.payload.needs ?? {}).some((need) => {
    const of = index.get(need.request);
    return of === undefined || of.revoked !== null || publishedLevelOf(of) !== 'trusted';
  });
}

/** A run ends at a limit once enough workers report it, nobody built to the end and its inputs are trusted; and only then. */
export function limits(): Observe {
  /** Builds by run and job. */
  const reports = new Map<string, Said[]>();
  const keyOf = ({ id, jobId }: RunFacts) => `${id} ${jobId}`;

  function add(state: ControllerState, said: Extract<Observation, { kind: 'handled' }>) {
    if (
      said.event.kind !== 'receipt' ||
      !said.effects.some((e) => e.kind === 'reply' && e.reply.kind === 'ack')
    )
      return;
    const { receipt, limit: reported } = said.event;
    const { lease, operator, round, slot, outcome } = receipt.payload.predicate.quorate_receipt;
    const run = state.index.receiptOf(lease)?.run;
    if (run === undefined) return;
    const before = reports.get(keyOf(run)) ?? [];
    if (before.some((one) => one.lease === lease)) return;
    const limit = reported === undefined ? undefined : knownLimit(run.job, reported);
    reports.set(keyOf(run), [
      ...before,
      {
        lease,
        worker: receipt.signer,
        operator,
        round,
        trusted: isTrustedSlot(slot),
        exited: outcome.kind === 'exit',
        limit: limit === undefined ? undefined : `${limit.name} ${limit.max}`,
        varies: limit !== undefined && limitVaries(limit),
      },
    ]);
  }

  function check(state: ControllerState, run: RunFacts, truth: Truth): void {
    const said = reports.get(keyOf(run));
    const name = truth.workOf(run.id)?.name;
    const published = publishedOf(run);
    const reached =
      said === undefined || said.some(({ exited }) => exited) ? undefined : reachedBy(said, run);
    if (published?.limit !== undefined && reached !== `${published.limit.name} ${published.limit.max}`)
      throw new Violation(`${name} ended at a limit of ${published.limit.name} that too few report`);
    // The limit may be the fault of what it reads, which the trusted worker may still contradict.
    const isHeld = run.phase.kind === 'held' && readsUntrusted(state, run);
    if (reached !== undefined && !isOver(run) && !isHeld)
      throw new Violation(`${name} goes on, though enough workers report the limit ${reached}`);
  }

  return (seen, truth) => {
    if (seen.kind === 'restarted' && seen.state !== undefined) {
      const { index } = seen.state;
      // A power cut may take what was not acknowledged yet.
      for (const [key, said] of reports)
        reports.set(
          key,
          said.filter(({ lease }) => index.receiptOf(lease) !== undefined),
        );
    }
    if (seen.kind !== 'handled') return;
    const { state } = seen;
    add(state, seen);
    // The word of a revoked worker counts no more.
    if (state.revocations.length > 0) return;
    for (const run of state.runs.values()) check(state, run, truth);
  };
}
