import { currentRound, type Run } from '../../src/core/controller/state.ts';
import { isTrustedSlot } from '../../src/core/documents/index.ts';
import { type Checker, Violation } from '../observer.ts';
import { timings } from '../timings.ts';

/** Until a tick that is due. */
const lateMs = 30_000;

/** Whether an open round has as many equal results as have to agree, and no build that runs. */
function isComplete(run: Run): boolean {
  const round = currentRound(run);
  if (run.phase.kind !== 'building' || round === undefined) return false;
  if (round.slots.some(({ kind }) => kind === 'leased')) return false;
  const results = run.receipts.flatMap(({ round: n, slot, result }) =>
    n === round.n && !isTrustedSlot(slot) && result !== null ? [result] : [],
  );
  const { agree } = run.request.payload.policy;
  return results.some((result) => results.filter((other) => other === result).length >= agree);
}

/** A round that has all it needs does not wait for operators where every one that is connected has built for its run. */
export function absences(): Checker {
  const invariant = 'absences';
  /** By offer. */
  const since = new Map<string, number>();
  let upSince = 0;
  return {
    invariant,
    observe(seen, truth) {
      if (seen.kind === 'restarted' && seen.state !== undefined) upSince = truth.now;
      if (seen.kind !== 'handled') return;
      const connected = [...seen.state.presence.workers.values()].filter(({ role }) => role === 'worker');
      for (const run of seen.state.index.open.values()) {
        const offer = currentRound(run)?.offerId ?? '';
        const built = new Set(run.receipts.map(({ operator }) => operator));
        const waits = isComplete(run) && connected.every(({ operator }) => built.has(operator));
        if (!waits) since.delete(offer);
        else if (!since.has(offer)) since.set(offer, truth.now);
        const from = Math.max(since.get(offer) ?? Number.POSITIVE_INFINITY, upSince);
        if (truth.now > from + timings.leaseSilenceMs + timings.absenceMs + lateMs)
          throw new Violation(invariant, `round ${run.rounds.length} waits for operators that nobody has`);
      }
    },
  };
}
