import { liveLeases } from '../../src/core/controller/state.ts';
import { idOf, type Lease } from '../../src/core/documents/index.ts';
import { type Checker, Violation } from '../observer.ts';

/** At most one live lease per person and job and one per slot; fences only grow. */
export function leases(): Checker {
  const invariant = 'leases';
  const live = new Map<string, Lease>();
  const given = new Set<string>();
  let last = { epoch: 0, n: 0 };
  return {
    invariant,
    observe(seen, truth) {
      if (seen.kind === 'restarted' && seen.state !== undefined) {
        // A power cut may take a lease, or its end, out of the journal.
        live.clear();
        for (const { id, lease } of [...seen.state.runs.values()].flatMap(liveLeases)) live.set(id, lease);
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
        if (fence.epoch < last.epoch || (fence.epoch === last.epoch && fence.n <= last.n))
          throw new Violation(
            invariant,
            `fence ${fence.epoch}.${fence.n} was given after ${last.epoch}.${last.n}`,
          );
        last = fence;
        for (const other of live.values()) {
          if (other.job !== lease.job) continue;
          const person = truth.personOf(lease.aud);
          if (truth.personOf(other.aud) === person)
            throw new Violation(invariant, `${person} has two live leases of one job`);
          if (other.offer === lease.offer && other.slot === lease.slot)
            throw new Violation(invariant, `slot ${lease.slot} of round ${lease.round} is leased twice`);
        }
        live.set(id, lease);
      }
    },
  };
}
