import { type Observe, Violation } from '../observer.ts';

/** No worker considers an offer under an older charter than the one it was made under; at the end the controller has the newest that a worker knows. */
export function charters(): Observe {
  return (seen) => {
    if (seen.kind === 'ended') {
      const own = seen.state.charter?.payload.epoch ?? 0;
      const newer = seen.idle.find(({ epoch }) => epoch > own);
      if (newer !== undefined)
        throw new Violation(`the controller has charter ${own}, and ${newer.worker} knows ${newer.epoch}`);
    }
    if (seen.kind !== 'considered' || seen.known >= seen.made) return;
    const { worker, made, known } = seen;
    throw new Violation(`${worker} considers an offer of charter ${made} under charter ${known}`);
  };
}
