import type { RunFacts } from '../../src/controller/machine/facts.ts';
import { currentRound, type Run } from '../../src/controller/machine/state.ts';
import { isTrustedSlot } from '../../src/protocol/documents/index.ts';
import { type Observe, Violation } from '../observer.ts';
import { timings } from '../timings.ts';

/** Until a tick that is due. */
const lateMs = 30_000;

/** Whether as many operators of a round came to one result as have to agree, without these. */
function hasQuorum({ receipts, request }: RunFacts, of: number, without: ReadonlySet<string>): boolean {
  const results = receipts.flatMap(({ round, slot, result, operator }) =>
    round === of && !isTrustedSlot(slot) && result !== null && !without.has(operator) ? [result] : [],
  );
  const { agree } = request.payload.policy;
  return results.some((result) => results.filter((other) => other === result).length >= agree);
}

/** Whether an open round has as many equal results as have to agree, and no build that runs. */
function isComplete(run: Run, revoked: ReadonlySet<string>): boolean {
  const round = currentRound(run);
  if (run.phase.kind !== 'building' || round === undefined) return false;
  return round.slots.every(({ kind }) => kind !== 'leased') && hasQuorum(run, round.n, revoked);
}

/** A round with a quorum does not wait for operators where each connected one has built; one without ends for no such reason. */
export function absences(): Observe {
  /** By offer. */
  const since = new Map<string, number>();
  let upSince = 0;
  return (seen, truth) => {
    if (seen.kind === 'restarted' && seen.state !== undefined) upSince = truth.now;
    if (seen.kind !== 'handled') return;
    if (seen.event.kind === 'started') upSince = truth.now;
    const revoked = new Set(seen.state.revocations.map(({ revocation }) => revocation.payload.what.id));
    for (const effect of seen.effects) {
      if (effect.kind !== 'progress' || effect.progress.kind !== 'unfilled') continue;
      const run = seen.state.index.get(effect.run);
      const { round, absent } = effect.progress;
      if (absent === true && run !== undefined && !hasQuorum(run, round, new Set()))
        throw new Violation(`round ${round} ended for want of operators, with too few results`);
    }
    const connected = [...seen.state.presence.workers.values()].filter(({ role }) => role === 'worker');
    for (const run of seen.state.index.open.values()) {
      const offer = currentRound(run)?.offerId ?? '';
      const built = new Set(run.receipts.map(({ operator }) => operator));
      const waits = isComplete(run, revoked) && connected.every(({ operator }) => built.has(operator));
      if (!waits) since.delete(offer);
      else if (!since.has(offer)) since.set(offer, truth.now);
      const from = Math.max(since.get(offer) ?? Number.POSITIVE_INFINITY, upSince);
      if (truth.now > from + timings.leaseSilenceMs + timings.absenceMs + lateMs)
        throw new Violation(`round ${run.rounds.length} waits for operators that nobody has`);
    }
  };
}
