import { artifactOf, idOf } from '../../src/protocol/documents/index.ts';
import { type Observe, Violation } from '../observer.ts';

/** Progress that takes back the verdicts of a run. */
const beginsAnew: ReadonlySet<string> = new Set(['reopened', 'input-lost']);

const isFinal = (level: string) => level !== 'agreed';

/** No two verdicts of a request trust different outcomes, and none follows the final one, unless it was revoked or its inputs were lost. */
export function verdicts(): Observe {
  const last = new Map<string, { said: string; level: string }>();
  const trusted = new Map<string, string>();
  const published = new Set<string>();
  let isRestored = false;
  return (seen) => {
    isRestored ||= seen.kind === 'replaced';
    if (seen.kind === 'handled')
      for (const effect of seen.effects) {
        if (effect.kind !== 'progress' || !beginsAnew.has(effect.progress.kind)) continue;
        last.delete(effect.run);
        trusted.delete(effect.run);
      }
    if (seen.kind !== 'published') return;
    const id = idOf(seen.verdict);
    const { level, outcome } = seen.verdict.predicate.quorate_verdict;
    const about = outcome === null ? 'nothing' : (artifactOf(outcome) ?? idOf(outcome));
    const said = `${level} ${about}`;
    const before = last.get(seen.run);
    // An older copy of the journal has an earlier verdict: its bundle may be made again, and it is agreed until it is witnessed again.
    const isAwaited = level === 'agreed' && before?.said === `trusted ${about}`;
    if (isRestored && (published.has(id) || isAwaited)) return;
    published.add(id);
    if (before !== undefined && isFinal(before.level) && before.said !== said)
      throw new Violation(`the verdict was "${before.said}" and is now "${said}"`);
    last.set(seen.run, { said, level });
    if (level !== 'trusted') return;
    const other = trusted.get(seen.run);
    if (other !== undefined && other !== said) throw new Violation(`trusted are both ${other} and ${said}`);
    trusted.set(seen.run, said);
  };
}
