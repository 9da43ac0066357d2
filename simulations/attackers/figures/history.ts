import { tableOf } from '../../report/csv.ts';
import type { Figure } from '../../report/figure.ts';
import { agreement, boinc, doubleVote, sarmenta } from '../karma/scheme.ts';
import { project, type Year, yearOf } from '../karma/year.ts';
import { alone, cosigned, nameOf, usual, usualAlone } from '../policies.ts';
import { cellOf, percent } from './table.ts';

const [, , , threeOfFive = usual] = cosigned;
const [one = usual] = cosigned;
const [, , , , fourOfSeven = usual] = alone;
const schemes = [
  boinc,
  sarmenta,
  doubleVote,
  ...[usualAlone, fourOfSeven, one, usual, threeOfFive].map(agreement),
];
const shown = schemes.filter(
  ({ name }) => ![nameOf(fourOfSeven), nameOf(one), nameOf(threeOfFive)].includes(name),
);
const share = 0.2;

/** Means over years with seeds of their own. */
export function yearsOf(count: number, seed: string): Map<string, Year> {
  return new Map(
    schemes.map((scheme) => {
      const years = Array.from({ length: count }, (_, n) => yearOf(scheme, share, `${seed} year ${n}`));
      const mean = (of: (year: Year) => number) => years.reduce((sum, year) => sum + of(year), 0) / count;
      const [first] = years;
      const year: Year = {
        pays: (first?.pays ?? []).map((_, month) => mean(({ pays }) => pays[month] ?? 0)),
        builds: mean(({ builds }) => builds),
        after: (first?.after ?? []).map((_, day) => mean(({ after }) => after[day] ?? 0)),
      };
      return [scheme.name, year];
    }),
  );
}

/** The day on which it pays: one tampered artifact, by the months of good behaviour before it. */
export function karmaFigure(years: ReadonlyMap<string, Year>): Figure {
  const records = [...years].flatMap(([scheme, { pays }]) =>
    pays.map((accepted, month) => ({ scheme, months: month, accepted })),
  );
  const table = tableOf(records);
  const at = (scheme: string, months: number) => cellOf(table, { scheme, months }, 'accepted');
  const gain = ({ name }: { name: string }) =>
    `${percent(at(name, 0))} → ${percent(at(name, 12))} with ${name}`;
  return {
    name: 'karma',
    says: `a fifth of the hosts behave well and then tamper with one artifact: on their first day and after a year they get it accepted ${[boinc, sarmenta, doubleVote].map(gain).join(', ')}, ${percent(at('2 of 3', 0))} → ${percent(at('2 of 3', 12))} with 2 of 3, and ${percent(at(nameOf(usual), 12))} with a co-signature`,
    table,
    plot: {
      title: 'Why not karma: one tampered artifact, after months of good behaviour by a fifth of the hosts',
      x: { label: 'months of good behaviour', from: 0, to: 12 },
      y: { label: 'accepted (% of tries)', from: 0, to: 30 },
      series: shown.map(({ name }) => ({
        name,
        points: (years.get(name)?.pays ?? []).map((accepted, month) => [month, 100 * accepted]),
      })),
    },
  };
}

/** Every job is tampered with from the turn on: all tampered artifacts up to a day. */
export function sleeperFigure(years: ReadonlyMap<string, Year>): Figure {
  const records = [...years].flatMap(([scheme, { after }]) => {
    let sum = 0;
    return after.map((accepted, day) => {
      sum += accepted * project.jobsPerDay;
      return { scheme, day: day + 1, accepted_that_day: accepted, accepted_so_far: sum };
    });
  });
  const table = tableOf(records);
  const at = (scheme: string, day: number) => cellOf(table, { scheme, day }, 'accepted_so_far');
  const told = [boinc.name, sarmenta.name, doubleVote.name, '2 of 3', nameOf(usual)];
  return {
    name: 'sleeper',
    says: `a fifth of the hosts turns after a year, and then tampers with every job: of the first 100 artifacts ${told.map((name) => `${at(name, 1).toFixed(0)} are tampered with and accepted under ${name}`).join(', ')}; of 3,000 in thirty days ${told.map((name) => at(name, 30).toFixed(0)).join(', ')}`,
    table,
    plot: {
      title: 'What a sleeper gains: tampered artifacts accepted after the turn, of 100 a day',
      x: { label: 'days after the turn', from: 0, to: 30 },
      y: { label: 'tampered artifacts accepted so far' },
      series: shown.map(({ name }) => ({
        name,
        points: [1, 2, 5, 10, 15, 20, 25, 30].map((day) => [day, at(name, day)]),
      })),
    },
  };
}

/** Builds that a scheme pays for, beside the gain of a year of good behaviour. */
export function priceFigure(years: ReadonlyMap<string, Year>): Figure {
  const records = [...years].map(([scheme, { builds, pays }]) => ({
    scheme,
    builds_per_artifact: builds,
    accepted_after_a_year: pays.at(-1) ?? 0,
  }));
  const table = tableOf(records);
  const at = (scheme: string, column: string) => cellOf(table, { scheme }, column);
  return {
    name: 'price',
    says: `an artifact costs ${at(boinc.name, 'builds_per_artifact').toFixed(2)} builds with ${boinc.name}, ${at(nameOf(one), 'builds_per_artifact').toFixed(2)} with one worker and the trusted one, ${at(nameOf(usual), 'builds_per_artifact').toFixed(2)} with 2 of 3 + co-signature: reputation is the cheapest, and holds the least`,
    table,
    plot: {
      title: 'Price and protection: a fifth of the hosts turns after a year, for one artifact',
      x: { label: 'builds for each artifact (the trusted worker’s among them)', from: 0 },
      y: { label: 'tampered artifact accepted (% of tries)', from: 0, to: 30 },
      series: schemes.map(({ name }) => ({
        name,
        loose: true,
        points: [[at(name, 'builds_per_artifact'), 100 * at(name, 'accepted_after_a_year')]],
      })),
    },
  };
}
