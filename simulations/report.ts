import type { Result } from './simulate.ts';

/** The report of a failed seed: the invariant, the last trace lines, and the command to repeat it. */
export function describeFailure(result: Result, bug: string | undefined): string[] {
  const { seed, failure, tail, about } = result;
  if (failure === null) return [];
  const again = `npm run simulate -- faults --seed ${seed}${bug === undefined ? '' : ` --bug ${bug}`}`;
  return [
    '',
    `seed ${seed}: ${failure.invariant} does not hold`,
    `  ${failure.message}`,
    '',
    ...about.map((line) => `  ${line}`),
    '',
    `The last ${tail.length} of ${result.lines} lines:`,
    ...tail,
    '',
    `Again: ${again}`,
  ];
}

export function describeResult({ seed, lines, levels }: Result): string {
  return `seed ${seed}: ${lines} lines, verdicts: ${levels.length === 0 ? 'none' : levels.join(', ')}`;
}
