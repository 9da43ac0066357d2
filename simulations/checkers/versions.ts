import { isBelow, leastWorkerOf } from '../../src/protocol/base/least-version.ts';
import { type Observe, Violation } from '../observer.ts';

/** A worker that states no version, or one below the least of the charter, gets no lease. */
export function versions(): Observe {
  const given = new Set<string>();
  return (seen) => {
    if (seen.kind !== 'handled') return;
    const { charter, presence } = seen.state;
    const least = leastWorkerOf(charter?.payload);
    for (const effect of seen.effects) {
      if (effect.kind !== 'reply' || effect.reply.kind !== 'lease') continue;
      const { aud, fence } = effect.reply.lease;
      const key = `${fence.epoch}.${fence.n}`;
      const version = presence.workers.get(aud)?.version;
      // A lease may be given again to a worker that lost the answer.
      if (!given.has(key) && version !== undefined && (version === null || isBelow(version, least)))
        throw new Violation(`a worker of ${version?.program ?? 'no version'} got a lease`);
      given.add(key);
    }
  };
}
