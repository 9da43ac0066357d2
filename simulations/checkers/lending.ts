import { type Observe, Violation } from '../observer.ts';
import { jobsAtOnce } from '../paperwork.ts';

/** No worker builds more at once than its operator lends. */
export function lending(): Observe {
  const building = new Map<string, Set<string>>();
  return (seen) => {
    if (seen.kind !== 'worker-handled') return;
    const { worker, event, effects } = seen;
    const leases = building.get(worker) ?? new Set();
    building.set(worker, leases);
    if (event.kind === 'started') leases.clear();
    if (event.kind === 'built') leases.delete(event.lease);
    for (const effect of effects) {
      if (effect.kind === 'stop-build') leases.delete(effect.lease);
      if (effect.kind === 'build') leases.add(effect.lease);
    }
    if (leases.size > jobsAtOnce)
      throw new Violation(`${worker} builds ${leases.size} jobs; it lends ${jobsAtOnce} at once`);
  };
}
