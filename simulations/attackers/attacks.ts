import type { Draws } from './draw.ts';
import type { Behaviour, Cast, Round } from './run.ts';

/** Machines of a dishonest invite, where each of them draws and votes (one invite, one vote is off). Honest people lend one. */
const machinesPerInvite = 10;
/** Seeds that a controller tries for each round. */
export const seedsGround = 32;

export interface Setting {
  draws: Draws;
  /** Attackers among the operators (of `many keys`: among the workers), 0 to 1. */
  share: number;
  /** One invite, one vote. */
  oneVote: boolean;
}

export interface Attack {
  name: string;
  cast: (setting: Setting) => Cast;
  /** The operators asked in the rounds of a run; by default those that the draw gives. */
  ask?: (setting: Setting, job: number, slots: number) => Round;
}

/** Attackers among those who draw. */
export function drawing({ draws: { size }, share, oneVote }: Setting): number {
  const votes = oneVote ? share : (machinesPerInvite * share) / (1 + (machinesPerInvite - 1) * share);
  return Math.round(size * votes);
}

const castOf = (setting: Setting, attackers: Behaviour, over: Partial<Cast> = {}): Cast => {
  const count = drawing(setting);
  return {
    operators: setting.draws.size,
    behaviourOf: (operator) => (operator < count ? attackers : 'honest'),
    lossPerLease: 0,
    trustedHours: 2,
    ...over,
  };
};

/** Each round has a seed of its own: the draw of a run far away. */
export const drawn =
  ({ draws }: Pick<Setting, 'draws'>, job: number): Round =>
  (round) =>
    draws.group(job + (round - 1) * Math.floor(draws.count / 2));

/** The operators under the one of so many seeds that gives the attackers the most of the first slots. */
export function bestOfSeeds(setting: Setting, seeds: number, job: number, slots: number): readonly number[] {
  const count = drawing(setting);
  const won = (group: readonly number[]) =>
    group.slice(0, slots).filter((operator) => operator < count).length;
  const tried = Array.from({ length: seeds }, (_, n) => setting.draws.another(job, n));
  return tried.reduce((best, group) => (won(group) > won(best) ? group : best));
}

const alike = (name: string, over: Partial<Cast> = {}): Attack => ({
  name,
  cast: (setting) => castOf(setting, 'tampers-alike', over),
});

export const attacks: readonly Attack[] = [
  {
    // Each puts something else into the artifact.
    name: 'independent tamperers',
    cast: (setting) => castOf(setting, 'tampers-alone'),
  },
  {
    // One party, one invite, many machines.
    name: 'many keys',
    cast: (setting) => {
      const count = setting.oneVote ? 1 : Math.round(setting.draws.size * setting.share);
      return {
        ...castOf(setting, 'honest'),
        behaviourOf: (operator) => (operator < count && setting.share > 0 ? 'tampers-alike' : 'honest'),
      };
    },
  },
  // One party, which bought or stole them.
  alike('many invites'),
  {
    // Such a party, which tampers only where it holds N slots of the round.
    name: 'careful colluders',
    cast: (setting) => castOf(setting, 'careful'),
  },
  // A party that behaved well for a year: nothing of that year counts.
  alike('sleepers'),
  {
    // They deliver what others delivered; one operator in twenty tampers.
    name: 'copiers',
    cast: (setting) => copying(setting, false),
  },
  {
    // Receipts are seen as they come, and late ones count.
    name: 'copiers, receipts not sealed',
    cast: (setting) => copying(setting, true),
  },
  alike('colluders that stall', { lossPerLease: 0.5 }),
  {
    ...alike('controller grinds the seed'),
    ask: (setting, job, slots) => (round) => bestOfSeeds(setting, seedsGround, job + round * 7, slots),
  },
  {
    name: 'controller invents operators',
    cast: (setting) => ({
      ...castOf(setting, 'honest'),
      behaviourOf: () => (setting.share > 0 ? 'tampers-alike' : 'honest'),
    }),
    ask:
      ({ draws: { size } }) =>
      (round) =>
        Array.from({ length: 28 }, (_, n) => size + round * 28 + n),
  },
  alike('trusted worker slow', { trustedHours: 12 }),
  alike('trusted worker dead', { trustedHours: null }),
  alike('trusted worker taken over', { trustedTampers: 'always' }),
  {
    name: 'trusted worker taken over, careful',
    cast: (setting) => castOf(setting, 'careful', { trustedTampers: 'careful' }),
  },
];

function copying(setting: Setting, unsealed: boolean): Cast {
  const count = drawing(setting);
  const tamperers = Math.round(setting.draws.size / 20);
  const { size } = setting.draws;
  return {
    ...castOf(setting, 'copies', { unsealed }),
    behaviourOf: (operator) =>
      operator < count ? 'copies' : operator >= size - tamperers ? 'tampers-alone' : 'honest',
  };
}
