import { expect, it } from 'vitest';
import { volunteersFor } from '../../../src/cli/up/volunteers.ts';

const floor = (agree: number, of: number) => ({ agree, of, rounds: 2, cosign: 'required' as const });

it('as many volunteers are played as a round asks, within a bound, and fewer are told as such', () => {
  const played = (floors: Parameters<typeof volunteersFor>[0], given?: number) => {
    const { operators, tooFew } = volunteersFor(floors, given);
    return tooFew === undefined ? [operators] : [operators, tooFew];
  };
  expect(played({ floor: floor(1, 1) })).toEqual([3]);
  expect(played({ floor: floor(2, 3), testFloor: floor(3, 5) })).toEqual([5]);
  expect(played({ floor: floor(3, 5) }, 6)).toEqual([6]);
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
