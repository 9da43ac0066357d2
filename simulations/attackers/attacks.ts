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
  says: string;
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

const alike = (name: string, says: string, over: Partial<Cast> = {}): Attack => ({
  name,
  says,
  cast: (setting) => castOf(setting, 'tampers-alike', over),
});

export const attacks: readonly Attack[] = [
  {
    name: 'independent tamperers',
    says: 'each puts something else into the artifact',
    cast: (setting) => castOf(setting, 'tampers-alone'),
  },
  {
    name: 'many keys',
    says: 'one party, one invite, many machines',
    cast: (setting) => {
      const count = setting.oneVote ? 1 : Math.round(setting.draws.size * setting.share);
      return {
        ...castOf(setting, 'honest'),
        behaviourOf: (operator) => (operator < count && setting.share > 0 ? 'tampers-alike' : 'honest'),
      };
    },
  },
  alike('many invites', 'one party with many invites, bought or stolen: all tamper alike'),
  {
    name: 'careful colluders',
    says: 'one party with many invites, which tampers only where it holds N slots of the round',
    cast: (setting) => castOf(setting, 'careful'),
  },
  alike('sleepers', 'a party that behaved well for a year: nothing of that year counts'),
  {
    name: 'copiers',
    says: 'deliver what others delivered; one operator in twenty tampers',
    cast: (setting) => copying(setting, false),
  },
  {
    name: 'copiers, receipts not sealed',
    says: 'the same with the guard off: receipts are seen as they come, and late ones count',
    cast: (setting) => copying(setting, true),
  },
  alike('colluders that stall', 'every second honest lease is lost beside them', { lossPerLease: 0.5 }),
  {
    ...alike(
      'controller grinds the seed',
      `takes the best of ${seedsGround} seeds for its party, each round`,
    ),
    ask: ({ draws, ...setting }, job, slots) => {
      const count = drawing({ draws, ...setting });
      const won = (group: readonly number[]) =>
        group.slice(0, slots).filter((operator) => operator < count).length;
      return (round) => {
        const tried = Array.from({ length: seedsGround }, (_, n) => draws.another(job + round * 7, n));
        return tried.reduce((best, group) => (won(group) > won(best) ? group : best));
      };
    },
  },
  {
    name: 'controller invents operators',
    says: 'all slots go to operators that nobody else knows',
    cast: (setting) => ({
      ...castOf(setting, 'honest'),
      behaviourOf: () => (setting.share > 0 ? 'tampers-alike' : 'honest'),
    }),
    ask:
      ({ draws: { size } }) =>
      (round) =>
        Array.from({ length: 28 }, (_, n) => size + round * 28 + n),
  },
  alike('trusted worker slow', 'many invites; the trusted worker takes twelve hours', { trustedHours: 12 }),
  alike('trusted worker dead', 'many invites; the trusted worker never comes', { trustedHours: null }),
  alike('trusted worker taken over', 'many invites, and it builds what they build', {
    trustedTampers: 'always',
  }),
  {
    name: 'trusted worker taken over, careful',
    says: 'both tamper only where the party holds N slots',
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
