import { type Observe, Violation } from '../observer.ts';

/** No worker considers an offer under an older charter than the one it was made under. */
export function charters(): Observe {
  return (seen) => {
    if (seen.kind !== 'considered' || seen.known >= seen.made) return;
    const { worker, made, known } = seen;
    throw new Violation(`${worker} considers an offer of charter ${made} under charter ${known}`);
  };
}
