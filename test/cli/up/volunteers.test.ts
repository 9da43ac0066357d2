import { expect, it } from 'vitest';
import { volunteersFor } from '../../../src/cli/up/up.ts';

const floor = (agree: number, of: number) => ({ agree, of, rounds: 2, cosign: 'required' as const });

it('as many volunteers are played as a round asks, within a bound, and fewer are told as such', () => {
  const played = (
    ...args: [Parameters<typeof volunteersFor>[0], number?, Parameters<typeof volunteersFor>[2]?]
  ) => {
    const [floors, given, ofJobs] = args;
    const { operators, tooFew } = volunteersFor(floors, given, ofJobs);
    return tooFew === undefined ? [operators] : [operators, tooFew];
  };
  expect(played({ floor: floor(1, 1) })).toEqual([3]);
  expect(played({ floor: floor(2, 3), testFloor: floor(3, 5) })).toEqual([5]);
  expect(played({ floor: floor(3, 5) }, 6)).toEqual([6]);
  // The job file may ask for more.
  expect(played({ floor: floor(2, 3) }, undefined, [floor(2, 3), floor(3, 5)])).toEqual([5]);
  expect(played({ floor: floor(2, 3) }, 3, [floor(3, 5)])).toEqual([
    3,
    'A round of this project asks 5 volunteers; with --operators 5 they are there.',
  ]);
  expect(played({ floor: floor(3, 5) }, 4)).toEqual([
    4,
    'A round of this project asks 5 volunteers; with --operators 5 they are there.',
  ]);
  expect(played({ floor: floor(3, 5) }, 1)).toEqual([
    1,
    'A round of this project asks 5 volunteers, and 3 have to agree: some jobs come to nothing here; with --operators 5 they are there.',
  ]);
  expect(played({ floor: floor(9, 12) })).toEqual([
    8,
    'A round of this project asks 12 volunteers, and 9 have to agree: some jobs come to nothing here; quorate up plays 8 at most.',
  ]);
});
