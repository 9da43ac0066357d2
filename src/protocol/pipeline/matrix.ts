import type { Template } from './template.ts';

type Matrix = Template['matrix'];

/** Number of combinations, none of which is built. */
export const combinationsOf = (matrix: Matrix): number =>
  Object.values(matrix).reduce((count, values) => count * values.length, 1);

/** Each choice of one value for each key, the last key changing first; one empty choice of an empty matrix. */
export function combinations(matrix: Matrix): Record<string, string>[] {
  let made: Record<string, string>[] = [{}];
  for (const [key, values] of Object.entries(matrix)) {
    made = made.flatMap((before) => values.map((value) => ({ ...before, [key]: value })));
  }
  return made;
}

/** Characters of a value that its place in a name takes. */
const labelCharsMax = 16;

/**
 * `test.gcc.1` of the job `test` and the values `gcc` and `1`: the first 16 characters of each value, with `_` for those
 * that a name may not hold.
 */
export function instanceName(template: string, values: Readonly<Record<string, string>>): string {
  const labels = Object.values(values).map((value) =>
    value.slice(0, labelCharsMax).replace(/[^A-Za-z0-9._-]/g, '_'),
  );
  return [template, ...labels].join('.');
}
