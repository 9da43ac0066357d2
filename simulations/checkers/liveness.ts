import { isOver, type RunFacts } from '../../src/controller/machine/facts.ts';
import { allRuns, type ControllerState, publishedLevelOf } from '../../src/controller/machine/state.ts';
import { limits } from '../../src/protocol/base/limits.ts';
import { isTrustedSlot } from '../../src/protocol/documents/index.ts';
import { cosignersOf, cosignersOrOne } from '../../src/protocol/judge/policy.ts';
import type { Progress } from '../../src/protocol/wire/progress.ts';
import { type Observe, Violation } from '../observer.ts';

/** True once no trusted worker gets a lease of this instance. `isKept`: the last lease waits for a second trusted worker. */
function leasesAreUsedUp({ history, jobId }: RunFacts, isKept: boolean): boolean {
  const all = history.map(({ progress }) => progress);
  const reopened = all.findLastIndex(({ kind }) => kind === 'reopened');
  const isInstance = (one: Progress) => one.kind === 'inputs' && one.job === jobId;
  const began = all.findIndex((one, n) => n > reopened && isInstance(one));
  const holders = all
    .slice(Math.max(reopened, began) + 1)
    .flatMap((one) => (one.kind === 'leased' && isTrustedSlot(one.slot) ? [one.worker] : []));
  const kept = isKept && new Set(holders).size === 1 ? 1 : 0;
  return holders.length >= limits.slotLeasesMax - kept;
}

/** True once no co-signature can come, for the run or for one that it needs. */
function isAlone(state: Pick<ControllerState, 'index'>, run: RunFacts, isKept: boolean): boolean {
  const needs = Object.values(run.request.payload.needs ?? {});
  return (
    leasesAreUsedUp(run, isKept) ||
    needs.some(({ request }) => {
      const needed = state.index.get(request);
      return needed === undefined || publishedLevelOf(needed) !== 'trusted' || isAlone(state, needed, isKept);
    })
  );
}

/** Where no fault is drawn what was asked for is taken. Once faults are over every run ends, and no worker holds a lease. */
export function liveness(): Observe {
  return (seen, truth) => {
    if (seen.kind !== 'ended') return;
    const { state, idle } = seen;
    const [untaken] = truth.wanted.untaken;
    if (truth.isQuiet && untaken !== undefined) throw new Violation(`${untaken} was never taken`);
    const revoked = new Set(state.revocations.map(({ revocation }) => revocation.payload.what.id));
    const people = new Set(idle.map(({ id }) => truth.personOf(id)));
    const witnesses = [...people].filter((person) => person !== 'owner' && !revoked.has(person)).length;
    for (const run of allRuns(state)) {
      const name = truth.workOf(run.id)?.name ?? run.id;
      if (!isOver(run)) throw new Violation(`${name} is still ${run.phase.kind}`);
      const expired = (run.history.at(-1)?.at ?? 0) >= run.request.payload.exp * 1000;
      const { policy } = run.request.payload;
      // Without its trusted worker a run waits as long as its request lets it.
      const there = ['absent', 'vanishes', 'full-disk'].includes(truth.trusted) ? 0 : 1;
      const gone = there + (truth.second ? 1 : 0) < cosignersOrOne(policy);
      // Without a co-signature a verdict waits as long for the witnesses of N operators.
      const unwitnessed = cosignersOf(policy) === 0 && witnesses < policy.agree;
      const alone = gone || unwitnessed || isAlone(state, run, truth.second && truth.trusted === 'vanishes');
      if (expired && !alone && run.request.payload.exp - run.submittedAt / 1000 > 3600)
        throw new Violation(`${name} ended only because its request expired`);
    }
    if (state.leases.size > 0) throw new Violation(`${state.leases.size} lease(s) outlive their runs`);
    if (state.offers.size > 0) throw new Violation(`${state.offers.size} offer(s) outlive their runs`);
    const busy = idle.find(({ holds }) => holds > 0);
    if (busy !== undefined) throw new Violation(`${busy.worker} still holds ${busy.holds} lease(s)`);
  };
}
