import { limits } from '../../src/protocol/base/limits.ts';
import { type Observe, Violation } from '../observer.ts';

/** A clock that is off by less is followed, slowly. */
const offMsMax = 2 * limits.clockSkewSeconds * 1000;

/** No event is journaled under a wrong time, and no request refused by one, however a host's clock is set meanwhile. */
export function clocks(): Observe {
  return (seen, truth) => {
    if (seen.kind === 'request-refused') {
      const isExpired = seen.expiresAt < truth.now + offMsMax;
      if (seen.code === 'DOC_FROM_FUTURE' || (seen.code === 'DOC_EXPIRED' && !isExpired))
        throw new Violation(`a request of this time is refused with ${seen.code}`);
    }
    if (seen.kind !== 'journaled') return;
    const off = Math.round((seen.at - truth.now) / 1000);
    if (Math.abs(seen.at - truth.now) > offMsMax)
      throw new Violation(`${seen.who} journals an event under a time that is off by ${off} s`);
  };
}
