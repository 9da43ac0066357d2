import { agreedOdds, oddsOf } from '../../../src/protocol/trust/odds.ts';
import { tableOf } from '../../report/csv.ts';
import type { Figure } from '../../report/figure.ts';
import { type Attack, attacks, bestOfSeeds, drawing, seedsGround } from '../attacks.ts';
import type { Draws } from '../draw.ts';
import { measure } from '../measure.ts';
import { alone, cosigned, nameOf, policies, usual, usualAlone } from '../policies.ts';
import { cellOf, interval, percent, percents } from './table.ts';

export function attackNamed(name: string): Attack {
  const found = attacks.find((attack) => attack.name === name);
  if (found === undefined) throw new Error(`no attack is called ${name}`);
  return found;
}

const manyInvites = attackNamed('many invites');
const shareAxis = { label: 'attackers (% of operators)', from: 0, to: 60 };
const acceptedAxis = { label: 'tampered artifacts accepted as trusted (% of jobs)', from: 0, to: 100 };

/** How often is a tampered artifact accepted, under each policy. */
export function acceptedFigure(draws: Draws, jobs: number, seed: string): Figure {
  const records = policies.flatMap((policy) =>
    percents.map((share) => {
      const setting = { draws, share: share / 100, oneVote: true };
      const { agreed, trusted } = measure(manyInvites, policy, setting, jobs, seed);
      const exact = oddsOf(policy, { operators: draws.size, dishonest: drawing(setting) }).trusted;
      const { low, high } = interval(trusted, jobs);
      const shares = { trusted, low95: low, high95: high, exact, published_as_agreed: agreed };
      return { policy: nameOf(policy), share_percent: share, jobs, ...shares };
    }),
  );
  const table = tableOf(records);
  const at = (policy: string, column: string) => cellOf(table, { policy, share_percent: 20 }, column);
  return {
    name: 'accepted',
    says: `with one attacker in five, ${percent(at('1 of 1', 'trusted'))} of the tampered artifacts are accepted with one worker, ${percent(at('2 of 3', 'trusted'))} with 2 of 3, ${percent(at('4 of 7', 'trusted'))} with 4 of 7, and ${percent(at(nameOf(usual), 'trusted'))} where the trusted worker signs, too`,
    table,
    plot: {
      title: 'How often a tampered artifact is accepted, by the attackers’ share of the invites',
      x: shareAxis,
      y: acceptedAxis,
      series: [...alone, usual].map((policy) => ({
        name: policy === usual ? 'each of them + co-signature' : nameOf(policy),
        points: percents.map((share) => [
          share,
          100 * cellOf(table, { policy: nameOf(policy), share_percent: share }, 'trusted'),
        ]),
      })),
    },
  };
}

/** Each attacker against each policy, with and without one vote for each invite; then the same for 2 of 3 alone. */
export function attackerFigures(draws: Draws, jobs: number, seed: string): readonly [Figure, Figure] {
  const records = attacks.flatMap((attack) =>
    [true, false].flatMap((oneVote) =>
      policies.flatMap((policy) =>
        percents.map((share) => {
          const setting = { draws, share: share / 100, oneVote };
          const found = measure(attack, policy, setting, jobs, `${seed} ${oneVote}`);
          return {
            attack: attack.name,
            one_vote: oneVote ? 'yes' : 'no',
            policy: nameOf(policy),
            share_percent: share,
            published_as_agreed: found.agreed,
            trusted: found.trusted,
            honest: found.honest,
            disputed: found.disputed,
            unfinished: found.unfinished,
            noticed_by_operators: found.noticed.operators,
            noticed_by_trusted_worker: found.noticed.trusted,
            noticed_by_nobody: found.noticed.nobody,
            hours_until_noticed: found.noticedHours,
            hours_as_agreed: found.exposedHours,
            builds_per_artifact: found.buildsPerArtifact,
            hours_to_trusted: found.hours,
          };
        }),
      ),
    ),
  );
  const own = [nameOf(usualAlone), nameOf(usual)];
  const table = tableOf(records.filter(({ policy }) => own.includes(policy)));
  const matrix = tableOf(records);
  const at = (attack: string, share: number, oneVote = 'yes', policy = usualAlone, of = table) =>
    cellOf(of, { attack, one_vote: oneVote, policy: nameOf(policy), share_percent: share }, 'trusted');
  const won = (attack: string, oneVote = 'yes') => percent(at(attack, 20, oneVote));
  const most = Math.max(
    ...records
      .filter(({ policy, attack }) => policy.includes('co-signature') && !attack.includes('taken over'))
      .map(({ trusted }) => trusted),
  );
  const shown = [
    ...['independent tamperers', 'many keys', 'many invites', 'copiers, receipts not sealed'].map((name) => [
      name,
      'yes',
    ]),
    ['many keys', 'no'],
    ...['colluders that stall', 'controller grinds the seed', 'controller invents operators'].map((name) => [
      name,
      'yes',
    ]),
  ] as const;
  const nameOfSeries = (name: string, oneVote: string) =>
    oneVote === 'no' ? `${name}, each of which votes` : name;
  return [
    {
      name: 'matrix',
      says: `with a co-signature none of ${attacks.length} attackers gets more than ${percent(most)} of the jobs, unless the trusted worker is theirs`,
      table: matrix,
      plot: {
        title: 'Attackers with a fifth of the operators, against each policy',
        x: {
          label: 'policy (+: with co-signature)',
          names: policies.map((policy) =>
            nameOf(policy).replace(' + co-signature', '+').replace(' of ', '/'),
          ),
        },
        y: acceptedAxis,
        series: shown.map(([name = '', oneVote = 'yes']) => ({
          name: nameOfSeries(name, oneVote),
          loose: true,
          points: policies.map((policy, n) => [n, 100 * at(name, 20, oneVote, policy, matrix)]),
        })),
      },
    },
    {
      name: 'attackers',
      says: `under 2 of 3 alone a party with a fifth of the machines on one invite wins ${won('many keys')} of the jobs, ${won('many keys', 'no')} where each key votes, ${won('many invites')} with a fifth of the invites, ${won('colluders that stall')} if it also stalls others, ${won('controller grinds the seed')} with a controller that tries ${seedsGround} seeds`,
      table,
      plot: {
        title: 'Attackers against 2 of 3 without a co-signature',
        x: { ...shareAxis, label: 'attackers (% of operators; of keys: % of machines)' },
        y: acceptedAxis,
        series: shown.map(([name = '', oneVote = 'yes']) => ({
          name: nameOfSeries(name, oneVote),
          points: percents.map((share) => [share, 100 * at(name, share, oneVote)]),
        })),
      },
    },
  ];
}

/** The trusted worker is taken over, by a party that also has operators. */
export function takenOverFigure(draws: Draws, jobs: number, seed: string): Figure {
  const records = percents.flatMap((share) => [
    {
      policy: 'the trusted worker alone',
      share_percent: share,
      trusted: 1,
      exact_loud: 1,
      noticed_by_nobody: 1,
    },
    ...cosigned.map((policy) => {
      const setting = { draws, share: share / 100, oneVote: true };
      const { trusted, noticed } = measure(
        attackNamed('trusted worker taken over, careful'),
        policy,
        setting,
        jobs,
        seed,
      );
      const odds = oddsOf(policy, { operators: draws.size, dishonest: drawing(setting) });
      return {
        policy: nameOf(policy),
        share_percent: share,
        trusted,
        exact_loud: odds.trustedIfTakenOver,
        noticed_by_nobody: noticed.nobody,
      };
    }),
  ]);
  const table = tableOf(records);
  const at = (policy: string, share: number) => cellOf(table, { policy, share_percent: share }, 'trusted');
  return {
    name: 'taken-over',
    says: `with its key, a thief signs anything that the trusted worker alone decides; under 2 of 3 + co-signature it also needs operators: with one in ten it wins ${percent(at(nameOf(usual), 10))} of the jobs, with one in five ${percent(at(nameOf(usual), 20))}`,
    table,
    plot: {
      title: 'The trusted worker is taken over: how often a tampered artifact is trusted',
      x: { ...shareAxis, label: 'operators of the same party (%)' },
      y: acceptedAxis,
      series: ['the trusted worker alone', ...cosigned.map(nameOf)].map((policy) => ({
        name: policy,
        points: percents.map((share) => [share, 100 * at(policy, share)]),
      })),
    },
  };
}

const seedCounts = [1, 2, 4, 8, 16, 32, 64, 128];

/** A controller that chooses among seeds. */
export function controllerFigure(draws: Draws, jobs: number, seed: string): Figure {
  const share = 0.1;
  const dishonest = Math.round(share * draws.size);
  const once = [...alone.slice(2), usual].map((policy) => ({ ...policy, rounds: 1 }));
  const records = once.flatMap((policy) =>
    seedCounts.map((seeds) => {
      const grinding: Attack = {
        ...attackNamed('careful colluders'),
        ask: (setting, job, slots) => () => bestOfSeeds(setting, seeds, job, slots),
      };
      const { trusted } = measure(grinding, policy, { draws, share, oneVote: true }, jobs, seed);
      const odds = agreedOdds(policy, { operators: draws.size, dishonest });
      const exact = policy.cosign === 'required' ? 0 : 1 - (1 - odds) ** seeds;
      return { policy: nameOf(policy), seeds_tried: seeds, trusted, exact };
    }),
  );
  const table = tableOf(records);
  const at = (policy: string, seeds: number) => cellOf(table, { policy, seeds_tried: seeds }, 'trusted');
  return {
    name: 'controller',
    says: `a controller that tries 128 seeds turns one operator in ten into ${percent(at('2 of 3', 128))} of the jobs under 2 of 3 and ${percent(at('4 of 7', 128))} under 4 of 7 (one seed: ${percent(at('2 of 3', 1))} and ${percent(at('4 of 7', 1))}); one that invents operators needs none; with a co-signature it gets ${percent(at(nameOf(usual), 128))}`,
    table,
    plot: {
      title: 'A dishonest controller chooses the seed of the draw; one operator in ten is its own',
      x: { label: 'seeds tried for each job', scale: 'log', from: 1, to: 1000 },
      y: acceptedAxis,
      series: once.map((policy) => ({
        name: nameOf(policy),
        points: seedCounts.map((seeds) => [seeds, 100 * at(nameOf(policy), seeds)]),
      })),
    },
  };
}

/** The size of the population changes nothing; the number of a party's invites among them does. */
export function sizeFigure(populations: readonly Draws[], jobs: number, seed: string): Figure {
  const parties = [
    ...[
      { invites: 2, policy: usualAlone },
      { invites: 5, policy: usualAlone },
    ],
    ...alone.slice(3).map((policy) => ({ invites: 5, policy })),
    { invites: undefined, policy: usualAlone },
  ];
  const records = parties.flatMap(({ invites, policy }) =>
    populations.map((draws) => {
      const dishonest = invites ?? Math.round(draws.size / 5);
      const setting = { draws, share: dishonest / draws.size, oneVote: true };
      const { agreed } = measure(manyInvites, policy, setting, jobs, seed);
      const exact = agreedOdds(policy, { operators: draws.size, dishonest });
      return {
        party: invites === undefined ? 'one in five' : `${invites} invites`,
        policy: nameOf(policy),
        operators: draws.size,
        dishonest,
        jobs,
        agreed,
        exact,
      };
    }),
  );
  const table = tableOf(records);
  const at = (party: string, policy: string, operators: number) =>
    cellOf(table, { party, policy, operators }, 'agreed');
  const sizes = populations.map(({ size }) => size);
  return {
    name: 'size',
    says: `two dishonest invites win ${percent(at('2 invites', '2 of 3', 10))} of the jobs among 10 operators and ${percent(at('2 invites', '2 of 3', 100))} among 100; one in five wins the same among ${sizes.at(-1)?.toLocaleString('en')} as among 100`,
    table,
    plot: {
      title: 'How many operators: what a party wins without a co-signature, by the size of the project',
      x: { label: 'operators', scale: 'log' },
      y: { label: 'tampered artifacts accepted (% of jobs)', scale: 'log', from: 0.01, to: 100 },
      series: parties.map(({ invites, policy }) => {
        const party = invites === undefined ? 'one in five' : `${invites} invites`;
        return {
          name: `${party}, ${nameOf(policy)}`,
          points: sizes.map((size) => [size, 100 * at(party, nameOf(policy), size)]),
        };
      }),
    },
  };
}
