import { fullShare } from '../../src/protocol/trust/draw.ts';
import type { Figure } from '../report/figure.ts';
import { assumptions } from './assumptions.ts';
import { doublingsUntil, firstClaims, leavesWithin, scheduledClaims } from './closed-forms.ts';
import type { Frames } from './frames.ts';
import type { Spread } from './gossip.ts';
import { forwardedLoad, jobLoad, jobMs, standingCores, standingLoad } from './load.ts';
import { type Played, policy } from './measure.ts';
import type { Population } from './population.ts';
import { chiSquare, criticalChiSquare, quantile, sampleOf } from './statistics.ts';

/** Jobs that were played with one population. */
export interface Measured {
  workers: number;
  population: Population;
  spread: Spread;
  /** By the name of the situation. */
  played: ReadonlyMap<string, readonly Played[]>;
}

const { shortBuildMs, longBuildMs, stayMs } = assumptions;
const axisOf = (all: readonly Measured[]) => ({
  label: 'connected workers',
  names: all.map(({ workers }) => workers.toLocaleString('en')),
});
/** A number, or a word where there is none. */
const told = (value: number): number | string => {
  if (Number.isNaN(value)) return 'none';
  return Number.isFinite(value) ? value : 'never';
};
/** Points of one column, by the number of its row. */
const pointsOf = (rows: readonly (readonly number[])[]) => (column: number) =>
  rows.flatMap((row, n) => {
    const value = row[column] ?? 0;
    return Number.isFinite(value) ? [[n, value] as const] : [];
  });
const mean = (values: readonly number[]): number => sampleOf(values).mean;
const whole = (value: number): string => Math.round(value).toLocaleString('en');
const allFree = 'all free';
const ofAllFree = ({ played }: Measured): readonly Played[] => played.get(allFree) ?? [];

/** Workers that are asked at once: those of operators whose draw is below the first share. */
export const askedAtOnce = (
  { machines }: Population,
  { draws, draw }: Pick<Played, 'draws' | 'draw'>,
): number =>
  machines.reduce((sum, own, operator) => sum + ((draws[operator] ?? 0) < draw.share ? own.length : 0), 0);

export function claimsFigure(all: readonly Measured[]): Figure {
  const answers = ({ claims, passes }: Played['untilFull']) => claims + passes;
  const rows = all.map((measured) => {
    const { workers, population } = measured;
    const jobs = ofAllFree(measured);
    const [draw] = jobs.map((job) => job.draw);
    const asked = sampleOf(jobs.map((job) => askedAtOnce(population, job)));
    const of = (until: 'untilFull' | 'untilShort' | 'untilLong') =>
      mean(jobs.map((job) => answers(job[until])));
    const expected = draw === undefined ? 0 : firstClaims(draw, workers);
    const operators = population.machines.length;
    return [
      workers,
      operators,
      jobs.length,
      asked.mean,
      asked.within,
      expected,
      of('untilFull'),
      of('untilShort'),
      of('untilLong'),
      draw === undefined ? 0 : scheduledClaims(draw, workers, shortBuildMs),
    ];
  });
  const at = pointsOf(rows);
  const [small, large] = [rows[0], rows.at(-1)];
  return {
    name: 'scale-claims',
    says: `At once ${whole(small?.[3] ?? 0)} workers of ${whole(small?.[0] ?? 0)} and ${whole(large?.[3] ?? 0)} of ${whole(large?.[0] ?? 0)} are asked; during a build of ${longBuildMs / 60_000} minutes ${whole(small?.[8] ?? 0)} and ${whole(large?.[8] ?? 0)} answer.`,
    table: {
      columns: [
        'workers',
        'operators',
        'jobs',
        'asked_at_once',
        'within',
        'expected',
        'answers_until_full',
        'answers_build_1_min',
        'answers_build_10_min',
        'by_schedule_alone_1_min',
      ],
      rows,
    },
    plot: {
      title: 'Answers of workers to one offer',
      x: axisOf(all),
      y: { label: 'claims and passes', scale: 'log' },
      series: [
        { name: 'asked at once (share × workers)', points: at(5), loose: true },
        { name: 'until all slots are leased', points: at(6) },
        { name: 'until a build of 10 minutes ends', points: at(8) },
        { name: 'a minute, by the schedule alone: workers before ADR 0099', points: at(9) },
      ],
    },
  };
}

export function loadFigures(all: readonly Measured[], frames: Frames): Figure[] {
  const rows = all.map((measured) => {
    const { workers, spread } = measured;
    const jobs = ofAllFree(measured);
    const average = (until: 'untilShort' | 'untilLong') => ({
      claims: mean(jobs.map((job) => job[until].claims)),
      passes: mean(jobs.map((job) => job[until].passes)),
      heartbeats: mean(jobs.map((job) => job[until].heartbeats)),
    });
    const short = average('untilShort');
    const { gossip, answered, builds } = jobLoad(frames, spread, short, policy.of);
    const forwarded = forwardedLoad(frames, spread);
    const standing = standingLoad(frames, workers);
    return {
      workers,
      ...{ gossip, answered, builds, forwarded, standing, cores: standingCores(workers) },
      ...{ shortMs: jobMs(spread, short), longMs: jobMs(spread, average('untilLong')) },
    };
  });
  const points = (value: (row: (typeof rows)[number]) => number) =>
    rows.map((row, n) => [n, value(row)] as const);
  const last = rows.at(-1);
  const messages = rows.map(
    ({ workers, gossip, answered, builds, forwarded, standing, shortMs, longMs, cores }) => [
      ...[
        workers,
        gossip.messages,
        answered.messages,
        builds.messages,
        forwarded.messages,
        standing.messages,
      ],
      ...[gossip.bytes, answered.bytes, builds.bytes, forwarded.bytes, standing.bytes],
      ...[shortMs, longMs, cores],
    ],
  );
  const columns = ['gossip', 'answers', 'builds', 'forwarded', 'standing_per_s'];
  return [
    {
      name: 'scale-bytes',
      says: `One job has the controller send ${megabytes(last?.gossip.bytes)} of gossip to ${whole(last?.workers ?? 0)} workers, and each worker hears ${((last?.forwarded.messages ?? 0) / 2 / (last?.workers ?? 1) + 1).toFixed(1)} copies of a notice.`,
      table: {
        columns: [
          'workers',
          ...columns.map((name) => `${name}_messages`),
          ...columns.map((name) => `${name}_bytes`),
          ...['controller_ms_build_1_min', 'controller_ms_build_10_min', 'standing_cores'],
        ],
        rows: messages,
      },
      plot: {
        title: 'Bytes of one job with builds of a minute',
        x: axisOf(all),
        y: { label: 'bytes', scale: 'log' },
        series: [
          {
            name: 'between workers: notices that are forwarded',
            points: points((row) => row.forwarded.bytes),
          },
          { name: 'controller: notices', points: points((row) => row.gossip.bytes) },
          { name: 'controller: claims and their heartbeats', points: points((row) => row.answered.bytes) },
          { name: 'controller: leases and receipts', points: points((row) => row.builds.bytes) },
          {
            name: 'controller, in a second: polls and checkpoints',
            points: points((row) => row.standing.bytes),
          },
        ],
      },
    },
    {
      name: 'scale-controller',
      says: `A job with builds of a minute takes ${whole(rows[0]?.shortMs ?? 0)} ms of the controller's processor beside ${whole(rows[0]?.workers ?? 0)} workers and ${whole(last?.shortMs ?? 0)} beside ${whole(last?.workers ?? 0)}.`,
      table: {
        columns: ['workers', 'build_1_min_ms', 'build_10_min_ms', 'standing_cores'],
        rows: rows.map(({ workers, shortMs, longMs, cores }) => [workers, shortMs, longMs, cores]),
      },
      plot: {
        title: 'Processor time of the controller, by measured costs',
        x: axisOf(all),
        y: { label: 'ms', scale: 'log' },
        series: [
          { name: 'of one job with builds of 10 minutes', points: points((row) => row.longMs) },
          { name: 'of one job with builds of a minute', points: points((row) => row.shortMs) },
          { name: 'of a second: polls, witnesses, checkpoints', points: points((row) => row.cores * 1000) },
        ],
      },
    },
  ];
}

const megabytes = (bytes = 0): string => `${whole(bytes / 1e6)} MB`;

export function leasesFigure(all: readonly Measured[]): Figure {
  const names = [...(all[0]?.played.keys() ?? [])];
  const rows = all.flatMap(({ workers, played }) =>
    [...played].map(([name, jobs]) => {
      const times = jobs.map(({ fullAt }) => fullAt / 1000);
      const filled = times.filter(Number.isFinite);
      const expected = mean(jobs.map(({ draw, able }) => doublingsUntil(draw, able, policy.of)));
      return {
        workers,
        name,
        jobs: jobs.length,
        unfilled: times.length - filled.length,
        median: quantile(times, 0.5),
        most: quantile(times, 0.95),
        expected,
      };
    }),
  );
  const slowest = rows.filter(({ median }) => Number.isFinite(median)).sort((a, b) => b.median - a.median)[0];
  return {
    name: 'scale-leases',
    says: `All slots are leased within a second where workers are free, whatever their number; ${slowest?.name ?? ''}: after ${slowest?.median.toFixed(0) ?? ''} s in half of the jobs beside ${whole(slowest?.workers ?? 0)} workers.`,
    table: {
      columns: ['workers', 'situation', 'jobs', 'never_full', 'median_s', 'p95_s', 'expected_doublings'],
      rows: rows.map(({ workers, name, jobs, unfilled, median, most, expected }) => [
        workers,
        name,
        jobs,
        unfilled,
        told(median),
        told(most),
        told(expected),
      ]),
    },
    plot: {
      title: 'Time until three operators have a lease, median',
      x: axisOf(all),
      y: { label: 'seconds' },
      series: names.map((name) => ({
        name,
        points: rows.flatMap((row) =>
          row.name === name && Number.isFinite(row.median)
            ? [[all.findIndex(({ workers }) => workers === row.workers), row.median] as const]
            : [],
        ),
      })),
    },
  };
}

/** χ² of slots by groups of operators of one size, with its degrees of freedom; slots of one job exclude each other. */
export function fairness({ machines }: Population, jobs: readonly Pick<Played, 'given'>[]) {
  const slots = jobs.flatMap(({ given }) => given.slice(0, policy.of));
  // Five slots for each group, as the approximation wants.
  const groups = Math.max(2, Math.min(machines.length, Math.floor(slots.length / 5)));
  const size = Math.floor(machines.length / groups);
  const counts = new Array<number>(groups).fill(0);
  for (const { operator } of slots) {
    const group = Math.floor(operator / size);
    if (group < groups) counts[group] = (counts[group] ?? 0) + 1;
  }
  const expected = (slots.length * size) / machines.length;
  return { groups, value: chiSquare(counts, expected), critical: criticalChiSquare(groups - 1) };
}

/** Slots of operators with so many machines, over their part of all operators. */
function slotsByMachines(
  { machines }: Population,
  jobs: readonly Pick<Played, 'given'>[],
  from: number,
  to: number,
): number {
  const within = (operator: number) => {
    const own = machines[operator]?.length ?? 0;
    return own >= from && own <= to;
  };
  const slots = jobs.flatMap(({ given }) => given.slice(0, policy.of));
  const operators = [...machines.keys()].filter(within).length;
  return (
    slots.filter(({ operator }) => within(operator)).length / slots.length / (operators / machines.length)
  );
}

export function fairnessFigure(all: readonly Measured[]): Figure {
  const classes = [
    [1, 1],
    [2, 4],
    [5, 50],
  ] as const;
  const rows = all.map((measured) => {
    const { workers, population, played } = measured;
    const jobs = ofAllFree(measured);
    const { groups, value, critical } = fairness(population, jobs);
    const part = (situation: string) =>
      classes.map(([from, to]) => slotsByMachines(population, played.get(situation) ?? [], from, to));
    return [
      workers,
      jobs.length,
      groups,
      value,
      critical,
      value / critical,
      ...part(allFree),
      ...part('half busy'),
    ];
  });
  const at = pointsOf(rows);
  const most = Math.max(...rows.map((row) => row[5] ?? 0));
  return {
    name: 'scale-fairness',
    says: `χ² of slots over operators is at most ${most.toFixed(2)} of the value that one fair draw in a thousand exceeds; where half of the machines are busy, operators with one machine get ${(rows.at(-1)?.[9] ?? 0).toFixed(2)} of an equal part.`,
    table: {
      columns: [
        ...['workers', 'jobs', 'groups', 'chi_square', 'critical_0.001', 'ratio'],
        ...['free_1_machine', 'free_2_to_4', 'free_5_to_50', 'busy_1_machine', 'busy_2_to_4', 'busy_5_to_50'],
      ],
      rows: rows.map((row) => row.map(told)),
    },
    plot: {
      title: 'Slots of an operator, over an equal part',
      x: axisOf(all),
      y: { label: 'parts', from: 0 },
      series: [
        { name: 'χ² over its critical value (all free)', points: at(5), loose: true },
        { name: 'one machine, all free', points: at(6) },
        { name: 'five machines and more, all free', points: at(8) },
        { name: 'one machine, half busy', points: at(9) },
        { name: 'five machines and more, half busy', points: at(11) },
      ],
    },
  };
}

export function churnFigure(all: readonly Measured[]): Figure {
  const rows = all.map((measured) => {
    const jobs = ofAllFree(measured);
    const losses = jobs.flatMap(({ replacedAfter }) => replacedAfter);
    const replaced = losses.filter(Number.isFinite);
    const expected = policy.of * leavesWithin(longBuildMs, stayMs);
    const { mean: lost, within } = sampleOf(jobs.map((job) => job.replacedAfter.length));
    return [
      measured.workers,
      jobs.length,
      lost,
      within,
      expected,
      losses.length - replaced.length,
      mean(replaced) / 1000,
      measured.workers / (stayMs / 1000),
    ];
  });
  const at = pointsOf(rows);
  return {
    name: 'scale-churn',
    says: `A worker that stays for ${stayMs / 3600_000} hours on average leaves ${(rows.at(-1)?.[4] ?? 0).toFixed(2)} of the builds of a job of ${longBuildMs / 60_000} minutes; the next in line has the slot ${(rows.at(-1)?.[6] ?? 0).toFixed(0)} s later.`,
    table: {
      columns: [
        'workers',
        'jobs',
        'lost_per_job',
        'within',
        'expected',
        'not_replaced',
        'replaced_after_s',
        'leave_per_s',
      ],
      rows: rows.map((row) => row.map(told)),
    },
    plot: {
      title: `Builds of ${longBuildMs / 60_000} minutes whose worker leaves, of three`,
      x: axisOf(all),
      y: { label: 'builds of a job', from: 0 },
      series: [
        { name: 'simulated', points: at(2), loose: true },
        { name: 'expected', points: at(4) },
      ],
    },
  };
}

/** χ² of draws in so many equal parts of their range. */
export function drawsFairness(draws: readonly number[], buckets: number) {
  const counts = new Array<number>(buckets).fill(0);
  for (const draw of draws) {
    const bucket = Math.floor((draw / fullShare) * buckets);
    counts[bucket] = (counts[bucket] ?? 0) + 1;
  }
  return { value: chiSquare(counts, draws.length / buckets), critical: criticalChiSquare(buckets - 1) };
}
