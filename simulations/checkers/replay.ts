import { type Observe, Violation } from '../observer.ts';

/** Replaying the journal gives the same state, down to the last field. */
export function replay(): Observe {
  return (seen) => {
    if (seen.kind !== 'restarted' || seen.before === seen.after) return;
    const at = [...seen.before].findIndex((char, n) => seen.after[n] !== char);
    const around = (text: string) => text.slice(Math.max(0, at - 60), at + 60);
    throw new Violation(
      `${seen.who} came back as somebody else: had …${around(seen.before)}…, has …${around(seen.after)}…`,
    );
  };
}
