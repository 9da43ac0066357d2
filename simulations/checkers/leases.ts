import { type ControllerState, liveLeases } from '../../src/controller/machine/state.ts';
import { idOf, type Lease } from '../../src/protocol/documents/index.ts';
import { type Observe, Violation } from '../observer.ts';

type Fence = Lease['fence'];

/** The run that a lease was just given for; its offer where that has ended by the same event. */
function runOf(state: ControllerState, id: string, { offer }: Lease): string {
  return [...state.runs.values()].find((one) => liveLeases(one).some((held) => held.id === id))?.id ?? offer;
}

const isAfter = (a: Fence, b: Fence): boolean => a.epoch > b.epoch || (a.epoch === b.epoch && a.n > b.n);

/** At most one live lease per person and request and one per slot; fences only grow. Several requests may be for one job. */
export function leases(): Observe {
  const live = new Map<string, { lease: Lease; run: string }>();
  const given = new Set<string>();
  let last = { epoch: 0, n: 0 };
  return (seen, truth) => {
    if (seen.kind === 'restarted' && seen.state !== undefined) {
      // A power cut may take a lease, or its end, out of the journal.
      live.clear();
      for (const run of seen.state.runs.values())
        for (const { id, lease } of liveLeases(run)) live.set(id, { lease, run: run.id });
    }
    if (seen.kind === 'restored') {
      // Of leases that a lost life gave, and that reached no member, there is no word.
      const told = seen.answers.flatMap(({ fences }) => fences.filter(({ by }) => by === truth.controller));
      last = told.reduce((most, one) => (isAfter(one, most) ? one : most), { epoch: 0, n: 0 });
    }
    if (seen.kind !== 'handled') return;
    for (const effect of seen.effects) {
      if (effect.kind === 'release') live.delete(effect.lease);
      if (effect.kind !== 'reply') continue;
      if (effect.reply.kind === 'ack') live.delete(effect.reply.ack.lease);
      if (effect.reply.kind !== 'lease') continue;
      const { lease } = effect.reply;
      const id = idOf(lease);
      if (given.has(id)) continue;
      given.add(id);
      const { fence } = lease;
      if (!isAfter(fence, last))
        throw new Violation(`fence ${fence.epoch}.${fence.n} was given after ${last.epoch}.${last.n}`);
      last = fence;
      const run = runOf(seen.state, id, lease);
      for (const { lease: other, run: of } of live.values()) {
        if (of !== run) continue;
        const person = truth.personOf(lease.aud);
        if (truth.personOf(other.aud) === person)
          throw new Violation(`${person} has two live leases of one request`);
        if (other.offer === lease.offer && other.slot === lease.slot)
          throw new Violation(`slot ${lease.slot} of round ${lease.round} is leased twice`);
      }
      live.set(id, { lease, run });
    }
  };
}
