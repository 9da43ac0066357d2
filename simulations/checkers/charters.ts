import { type Checker, Violation } from '../observer.ts';

/** No worker considers an offer under an older charter than the one it was made under. */
export function charters(): Checker {
  const invariant = 'charters';
  return {
    invariant,
    observe(seen) {
      if (seen.kind !== 'considered' || seen.known >= seen.made) return;
      const { worker, made, known } = seen;
      throw new Violation(
        invariant,
        `${worker} considers an offer of charter ${made} under charter ${known}`,
      );
    },
  };
}
