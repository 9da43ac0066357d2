import type { Charter, Policy } from '../../protocol/documents/index.ts';

/** Each is a node with a store, some 40 MB, and may build at any time. */
export const operatorsMax = 8;
/** As many as a round of a new project asks. */
export const operatorsMin = 3;

/** How many volunteers are played: as `given`, else as many as a round asks by the floors, or by a job's own policy. `tooFew`: what these make of that number. */
export function volunteersFor(
  { floor, testFloor = floor }: Pick<Charter, 'floor' | 'testFloor'>,
  given: number | undefined,
  ofJobs: readonly Policy[] = [],
): { operators: number; tooFew: string | undefined } {
  const policies = [floor, testFloor, ...ofJobs];
  const asked = Math.max(...policies.map(({ of }) => of));
  const agree = Math.max(...policies.map((policy) => policy.agree));
  const operators = given ?? Math.min(Math.max(operatorsMin, asked), operatorsMax);
  if (operators >= asked) return { operators, tooFew: undefined };
  const end = operators < agree ? `, and ${agree} have to agree: some jobs come to nothing here` : '';
  const more =
    asked > operatorsMax
      ? `quorate up plays ${operatorsMax} at most`
      : `with --operators ${asked} they are there`;
  return { operators, tooFew: `A round of this project asks ${asked} volunteers${end}; ${more}.` };
}
