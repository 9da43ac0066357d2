import type { Policy } from '../../../src/protocol/documents/index.ts';
import { Random } from '../../random.ts';
import { tableOf } from '../../report/csv.ts';
import type { Figure } from '../../report/figure.ts';
import { binomialBelow } from '../../scale/closed-forms.ts';
import { drawn } from '../attacks.ts';
import type { Draws } from '../draw.ts';
import { type Measured, measure, summed } from '../measure.ts';
import { alone, cosigned, nameOf, policies, usual } from '../policies.ts';
import { type Behaviour, type Cast, run } from '../run.ts';
import { attackNamed } from './acceptance.ts';
import { cellOf, percent, percents } from './table.ts';

const shortNames = alone.map(nameOf);

/** Operators or the trusted worker notice a tampered artifact that N operators agree on, after so many hours. */
export function noticedFigure(draws: Draws, jobs: number, seed: string): Figure {
  const records = policies.map((policy) => {
    const setting = { draws, share: 0.4, oneVote: true };
    const { noticed, noticedHours, exposedHours } = measure(
      attackNamed('careful colluders'),
      policy,
      setting,
      jobs,
      seed,
    );
    return {
      policy: nameOf(policy),
      by_operators: noticed.operators,
      by_trusted_worker: noticed.trusted,
      by_nobody: noticed.nobody,
      hours_until_noticed: noticedHours,
      hours_as_agreed: exposedHours,
    };
  });
  const table = tableOf(records);
  const at = (policy: string, column: string) => cellOf(table, { policy }, column);
  const series = [
    { name: 'an operator’s other result stands beside it', of: cosigned, column: 'by_operators' },
    { name: 'only the trusted worker notices, where it co-signs', of: cosigned, column: 'by_trusted_worker' },
    { name: 'nobody notices, where it does not', of: alone, column: 'by_nobody' },
  ];
  return {
    name: 'noticed',
    says: `with two attackers in five, nobody notices ${percent(at('1 of 1', 'by_nobody'))} of the tampered artifacts of one worker, ${percent(at('2 of 2', 'by_nobody'))} with 2 of 2, ${percent(at('2 of 3', 'by_nobody'))} with 2 of 3 and ${percent(at('4 of 7', 'by_nobody'))} with 4 of 7; with a co-signature all are noticed, after ${at(nameOf(usual), 'hours_until_noticed').toFixed(1)} hours with 2 of 3`,
    table,
    plot: {
      title: 'Who notices a tampered artifact that its party got agreed; two attackers in five',
      x: { label: 'policy', names: shortNames },
      y: { label: 'tampered artifacts that were agreed (%)', from: 0, to: 100 },
      series: series.map(({ name, of, column }) => ({
        name,
        loose: true,
        points: of.map((policy, n) => [n, 100 * at(nameOf(policy), column)]),
      })),
    },
  };
}

/** Builds for each trusted artifact, the trusted worker's among them. */
export function costFigure(draws: Draws, jobs: number, seed: string): Figure {
  const records = policies.flatMap((policy) =>
    percents.map((share) => {
      const { buildsPerArtifact, honest } = measure(
        attackNamed('many invites'),
        policy,
        { draws, share: share / 100, oneVote: true },
        jobs,
        seed,
      );
      return { policy: nameOf(policy), share_percent: share, builds_per_artifact: buildsPerArtifact, honest };
    }),
  );
  const table = tableOf(records);
  const at = (policy: Policy, share: number) =>
    cellOf(table, { policy: nameOf(policy), share_percent: share }, 'builds_per_artifact');
  return {
    name: 'cost',
    says: `2 of 3 + co-signature costs ${at(usual, 0).toFixed(1)} builds for each artifact without attackers, ${at(usual, 20).toFixed(1)} with one in five and ${at(usual, 40).toFixed(1)} with two in five`,
    table,
    plot: {
      title: 'Builds for each honest artifact that becomes trusted, the trusted worker’s among them',
      x: { label: 'attackers (% of operators)', from: 0, to: 60 },
      y: { label: 'builds for each artifact', scale: 'log', from: 1, to: 100 },
      series: cosigned.map((policy) => ({
        name: nameOf(policy),
        points: percents.map((share) => [share, at(policy, share)]),
      })),
    },
  };
}

/** Hours from the request to trusted. */
export function hoursFigure(draws: Draws, jobs: number, seed: string): Figure {
  const settings = [
    { name: 'no co-signature', attack: 'many invites', of: alone, share: 0 },
    { name: 'trusted worker, two hours', attack: 'many invites', of: cosigned, share: 0 },
    { name: 'trusted worker, twelve hours', attack: 'trusted worker slow', of: cosigned, share: 0 },
    {
      name: 'one attacker in five, stalling others',
      attack: 'colluders that stall',
      of: cosigned,
      share: 0.2,
    },
  ];
  const records = settings.flatMap(({ name, attack, of, share }) =>
    of.map((policy) => {
      const { hours } = measure(attackNamed(attack), policy, { draws, share, oneVote: true }, jobs, seed);
      return { setting: name, policy: nameOf(policy), hours_to_trusted: hours };
    }),
  );
  const table = tableOf(records);
  const at = (setting: string, policy: string) => cellOf(table, { setting, policy }, 'hours_to_trusted');
  return {
    name: 'hours',
    says: `a build of one hour is trusted after ${at('no co-signature', '2 of 3').toFixed(1)} hours with 2 of 3, ${at('trusted worker, two hours', nameOf(usual)).toFixed(1)} where a trusted worker that takes two signs, and ${at('trusted worker, twelve hours', nameOf(usual)).toFixed(1)} where it takes twelve`,
    table,
    plot: {
      title: 'Hours from the request to trusted; a build takes an hour',
      x: { label: 'policy', names: shortNames },
      y: { label: 'hours (mean)' },
      series: settings.map(({ name, of }) => ({
        name,
        loose: true,
        points: of.map((policy, n) => [n, at(name, nameOf(policy))]),
      })),
    },
  };
}

const operatorCounts = Array.from({ length: 15 }, (_, n) => n + 1);
const onlineShare = 0.7;

/** Honest runs that fail because too few operators are there. */
export function lackFigure(small: (size: number) => Draws, jobs: number, seed: string): Figure {
  const records = cosigned.flatMap((policy) =>
    operatorCounts.map((size) => {
      const draws = small(size);
      const random = new Random(`${seed} lack ${nameOf(policy)} ${size}`);
      const outcomes = Array.from({ length: jobs }, (_, job) => {
        const online = Array.from({ length: size }, () => random.chance(onlineShare));
        const ask = drawn({ draws }, job);
        const cast: Cast = { operators: size, behaviourOf: () => 'honest', lossPerLease: 0, trustedHours: 2 };
        return run(policy, cast, (round) => ask(round).filter((operator) => online[operator]), random);
      });
      const { honest } = summed(outcomes);
      return {
        policy: nameOf(policy),
        operators: size,
        jobs,
        failed: 1 - honest,
        exact: binomialBelow(size, onlineShare, policy.agree),
      };
    }),
  );
  const table = tableOf(records);
  const at = (policy: Policy, operators: number) =>
    cellOf(table, { policy: nameOf(policy), operators }, 'failed');
  const enough = (policy: Policy) => operatorCounts.find((size) => at(policy, size) < 0.01) ?? Number.NaN;
  return {
    name: 'operators',
    says: `where an operator is there seven times in ten, fewer than one honest run in a hundred lacks operators from ${cosigned.map((policy) => `${enough(policy)} operators on for ${policy.agree} of ${policy.of}`).join(', ')}`,
    table,
    plot: {
      title: 'Honest runs that fail for lack of operators; each is there seven times in ten',
      x: { label: 'operators that are enrolled', from: 0, to: 15 },
      y: { label: 'runs that fail (%)', scale: 'log', from: 0.1, to: 100 },
      series: cosigned.map((policy, n) => ({
        name: shortNames[n] ?? '',
        points: operatorCounts.map((size) => [size, 100 * at(policy, size)]),
      })),
    },
  };
}

/** One dishonest invite, and its price for the others. */
export function inviteFigure(populations: readonly Draws[], jobs: number, seed: string): Figure {
  const behaviours: readonly Behaviour[] = ['tampers-alone', 'silent'];
  const settle = (policy: Policy, draws: Draws, behaviour: Behaviour): Measured => {
    const random = new Random(`${seed} invite ${nameOf(policy)} ${draws.size} ${behaviour}`);
    const behaviourOf = (operator: number) => (operator === 0 ? behaviour : 'honest');
    const cast: Cast = { operators: draws.size, behaviourOf, lossPerLease: 0, trustedHours: 2 };
    return summed(Array.from({ length: jobs }, (_, job) => run(policy, cast, drawn({ draws }, job), random)));
  };
  const records = behaviours.flatMap((behaviour) =>
    cosigned.flatMap((policy) =>
      populations.map((draws) => {
        const base = settle(policy, draws, 'honest');
        const found = settle(policy, draws, behaviour);
        return {
          behaviour,
          policy: nameOf(policy),
          operators: draws.size,
          extra_builds_per_100: 100 * (found.buildsPerArtifact - base.buildsPerArtifact),
          extra_hours: found.hours - base.hours,
          failed: 1 - found.honest,
        };
      }),
    ),
  );
  const table = tableOf(records);
  const at = (policy: Policy, operators: number, column: string, behaviour: Behaviour = 'tampers-alone') =>
    cellOf(table, { behaviour, policy: nameOf(policy), operators }, column);
  const [, two = usual] = cosigned;
  return {
    name: 'invite',
    says: `one operator in twenty that tampers costs the others ${at(two, 20, 'extra_builds_per_100').toFixed(0)} builds for every 100 artifacts under 2 of 2 + co-signature and ${at(usual, 20, 'extra_builds_per_100').toFixed(0)} under 2 of 3; one that keeps its leases and delivers nothing costs ${at(usual, 20, 'extra_hours', 'silent').toFixed(1)} hours a run under 2 of 3`,
    table,
    plot: {
      title: 'What one dishonest invite that tampers costs the others',
      x: { label: 'operators', scale: 'log' },
      y: { label: 'extra builds for every 100 artifacts' },
      series: cosigned.map((policy) => ({
        name: nameOf(policy),
        points: populations.map(({ size }) => [size, at(policy, size, 'extra_builds_per_100')]),
      })),
    },
  };
}
