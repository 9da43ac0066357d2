import { type Observe, Violation } from '../observer.ts';

/** A worker claims no job of a host that its operator has not allowed, and tells of hosts that a new charter names. */
export function hosts(): Observe {
  const allowed = new Map<string, readonly string[] | 'any'>();
  const sources = new Map<string, string>();
  const told = new Map<string, Set<number>>();
  return (seen) => {
    if (seen.kind === 'host-named') {
      const epochs = told.get(seen.worker) ?? new Set();
      told.set(seen.worker, epochs.add(seen.epoch));
    }
    if (seen.kind !== 'worker-handled') return;
    const { worker, event, effects } = seen;
    if (event.kind === 'started' || event.kind === 'lending')
      allowed.set(worker, event.lending.hosts ?? 'any');
    const list = allowed.get(worker) ?? 'any';
    if (list === 'any') return;
    if (event.kind === 'offer') {
      sources.set(event.offer.id, new URL(event.job.source.url).hostname);
      const { charter } = event.offer.payload;
      if (charter > 1 && ![...(told.get(worker) ?? [])].some((epoch) => epoch >= charter))
        throw new Violation(`${worker} was not told of the host that the charter of epoch ${charter} names`);
    }
    for (const effect of effects) {
      if (effect.kind !== 'claim') continue;
      const host = sources.get(effect.offer) ?? '';
      if (!list.includes(host) && effect.claim.pass?.includes(host) !== true)
        throw new Violation(`${worker} claims a job of ${host}, which its operator has not allowed`);
    }
  };
}
