import { isOver, type RunFacts } from '../../src/core/controller/facts.ts';
import { allRuns, type ControllerState, levelOf } from '../../src/core/controller/state.ts';
import { isTrustedSlot } from '../../src/core/documents/index.ts';
import { limits } from '../../src/core/limits.ts';
import { type Checker, Violation } from '../observer.ts';

function trustedLeasesOf({ history }: RunFacts): number {
  return history.filter(({ progress }) => progress.kind === 'leased' && isTrustedSlot(progress.slot)).length;
}

/** True once no co-signature can come, for the run or for one that it needs: the trusted worker's leases are used up. */
function isAlone(state: Pick<ControllerState, 'index'>, run: RunFacts, leasesMax: number): boolean {
  const needs = Object.values(run.request.payload.needs ?? {});
  return (
    trustedLeasesOf(run) >= leasesMax ||
    needs.some(({ request }) => {
      const needed = state.index.get(request);
      return needed === undefined || levelOf(needed) !== 'trusted' || isAlone(state, needed, leasesMax);
    })
  );
}

/** Once faults are over every run ends, and no worker holds a lease. */
export function liveness(): Checker {
  const invariant = 'liveness';
  return {
    invariant,
    observe(seen, truth) {
      if (seen.kind !== 'ended') return;
      const { state, idle } = seen;
      const revoked = new Set(state.revocations.map(({ revocation }) => revocation.payload.what.id));
      const people = new Set(idle.map(({ id }) => truth.personOf(id)));
      const witnesses = [...people].filter((person) => person !== 'owner' && !revoked.has(person)).length;
      for (const run of allRuns(state)) {
        const name = truth.workOf(run.id)?.name ?? run.id;
        if (!isOver(run)) throw new Violation(invariant, `${name} is still ${run.phase.kind}`);
        const expired = (run.history.at(-1)?.at ?? 0) >= run.request.payload.exp * 1000;
        // Without its trusted worker a run waits as long as its request lets it.
        const isFirstGone = ['absent', 'vanishes', 'full-disk'].includes(truth.trusted);
        const gone = !truth.second && isFirstGone;
        // The last lease is kept for one that did not lose those before it, whether it comes or not.
        const leasesMax = truth.second && isFirstGone ? limits.slotLeasesMax - 1 : limits.slotLeasesMax;
        const { agree, cosign } = run.request.payload.policy;
        // Without a co-signature a verdict waits as long for the witnesses of N operators.
        const unwitnessed = cosign === 'none' && witnesses < agree;
        const alone = gone || unwitnessed || isAlone(seen.state, run, leasesMax);
        if (expired && !alone && run.request.payload.exp - run.submittedAt / 1000 > 3600)
          throw new Violation(invariant, `${name} ended only because its request expired`);
      }
      if (state.leases.size > 0)
        throw new Violation(invariant, `${state.leases.size} lease(s) outlive their runs`);
      if (state.offers.size > 0)
        throw new Violation(invariant, `${state.offers.size} offer(s) outlive their runs`);
      const busy = idle.find(({ holds }) => holds > 0);
      if (busy !== undefined)
        throw new Violation(invariant, `${busy.worker} still holds ${busy.holds} lease(s)`);
    },
  };
}
