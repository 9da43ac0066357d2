import { artifactOf, idOf } from '../../src/core/documents/index.ts';
import { type Checker, Violation } from '../observer.ts';

const isFinal = (level: string) => level !== 'agreed';

/** No two verdicts of a request trust different outcomes, and none follows the final one. */
export function verdicts(): Checker {
  const invariant = 'verdicts';
  const last = new Map<string, { said: string; level: string }>();
  const trusted = new Map<string, string>();
  return {
    invariant,
    observe(seen) {
      if (seen.kind !== 'published') return;
      const { level, outcome } = seen.verdict.predicate.quorate_verdict;
      const said = `${level} ${outcome === null ? 'nothing' : (artifactOf(outcome) ?? idOf(outcome))}`;
      const before = last.get(seen.run);
      if (before !== undefined && isFinal(before.level) && before.said !== said)
        throw new Violation(invariant, `the verdict was "${before.said}" and is now "${said}"`);
      last.set(seen.run, { said, level });
      if (level !== 'trusted') return;
      const other = trusted.get(seen.run);
      if (other !== undefined && other !== said)
        throw new Violation(invariant, `trusted are both ${other} and ${said}`);
      trusted.set(seen.run, said);
    },
  };
}
