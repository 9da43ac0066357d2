import { sessionTimes } from '../../src/protocol/sessions/limits.ts';
import { fullShare } from '../../src/protocol/trust/draw.ts';
import { type Table, tableOf } from '../report/csv.ts';
import type { Figure } from '../report/figure.ts';
import { assumptions, costs } from './assumptions.ts';
import { doublingsUntil, firstClaims, leavesWithin, scheduledClaims } from './closed-forms.ts';
import type { Frames } from './frames.ts';
import type { Spread } from './gossip.ts';
import { type Played, policy } from './measure.ts';
import type { Population } from './population.ts';
import type { Answered } from './round.ts';

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
/** A word where there is no number. */
const told = (value: number | string): number | string => {
  if (typeof value === 'string' || Number.isFinite(value)) return value;
  return Number.isNaN(value) ? 'none' : 'never';
};
const toldTable = ({ columns, rows }: Table): Table => ({ columns, rows: rows.map((row) => row.map(told)) });
/** Points of one column, by the number of its row. */
const pointsOf =
  <Row extends Readonly<Record<keyof Row, number>>>(rows: readonly Row[]) =>
  (column: keyof Row) =>
    rows.flatMap((row, n) => (Number.isFinite(row[column]) ? [[n, row[column]] as const] : []));
const mean = (values: readonly number[]): number => sampleOf(values).mean;
const whole = (value = 0): string => Math.round(value).toLocaleString('en');
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
    return {
      workers,
      operators: population.machines.length,
      jobs: jobs.length,
      asked_at_once: asked.mean,
      within: asked.within,
      expected: draw === undefined ? 0 : firstClaims(draw, workers),
      answers_until_full: of('untilFull'),
      answers_build_1_min: of('untilShort'),
      answers_build_10_min: of('untilLong'),
      by_schedule_alone_1_min: draw === undefined ? 0 : scheduledClaims(draw, workers, shortBuildMs),
    };
  });
  const at = pointsOf(rows);
  const [small, large] = [rows[0], rows.at(-1)];
  return {
    name: 'scale-claims',
    says: `At once ${whole(small?.asked_at_once)} workers of ${whole(small?.workers)} and ${whole(large?.asked_at_once)} of ${whole(large?.workers)} are asked; during a build of ${longBuildMs / 60_000} minutes ${whole(small?.answers_build_10_min)} and ${whole(large?.answers_build_10_min)} answer.`,
    table: tableOf(rows),
    plot: {
      title: 'Answers of workers to one offer',
      x: axisOf(all),
      y: { label: 'claims and passes', scale: 'log' },
      series: [
        { name: 'asked at once (share × workers)', points: at('expected'), loose: true },
        { name: 'until all slots are leased', points: at('answers_until_full') },
        { name: 'until a build of 10 minutes ends', points: at('answers_build_10_min') },
        {
          name: 'a minute, by the schedule alone: workers before ADR 0099',
          points: at('by_schedule_alone_1_min'),
        },
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
      gossip_messages: gossip.messages,
      answers_messages: answered.messages,
      builds_messages: builds.messages,
      forwarded_messages: forwarded.messages,
      standing_per_s_messages: standing.messages,
      gossip_bytes: gossip.bytes,
      answers_bytes: answered.bytes,
      builds_bytes: builds.bytes,
      forwarded_bytes: forwarded.bytes,
      standing_per_s_bytes: standing.bytes,
      controller_ms_build_1_min: jobMs(spread, short),
      controller_ms_build_10_min: jobMs(spread, average('untilLong')),
      standing_cores: standingCores(workers),
    };
  });
  const at = pointsOf(rows);
  const [small, large] = [rows[0], rows.at(-1)];
  return [
    {
      name: 'scale-bytes',
      says: `One job has the controller send ${whole((large?.gossip_bytes ?? 0) / 1e6)} MB of gossip to ${whole(large?.workers)} workers, and each worker hears ${((large?.forwarded_messages ?? 0) / 2 / (large?.workers ?? 1) + 1).toFixed(1)} copies of a notice.`,
      table: tableOf(rows),
      plot: {
        title: 'Bytes of one job with builds of a minute',
        x: axisOf(all),
        y: { label: 'bytes', scale: 'log' },
        series: [
          { name: 'between workers: notices that are forwarded', points: at('forwarded_bytes') },
          { name: 'controller: notices', points: at('gossip_bytes') },
          { name: 'controller: claims and their heartbeats', points: at('answers_bytes') },
          { name: 'controller: leases and receipts', points: at('builds_bytes') },
          { name: 'controller, in a second: polls and checkpoints', points: at('standing_per_s_bytes') },
        ],
      },
    },
    {
      name: 'scale-controller',
      says: `A job with builds of a minute takes ${whole(small?.controller_ms_build_1_min)} ms of the controller's processor beside ${whole(small?.workers)} workers and ${whole(large?.controller_ms_build_1_min)} beside ${whole(large?.workers)}.`,
      table: tableOf(
        rows.map((row) => ({
          workers: row.workers,
          build_1_min_ms: row.controller_ms_build_1_min,
          build_10_min_ms: row.controller_ms_build_10_min,
          standing_cores: row.standing_cores,
        })),
      ),
      plot: {
        title: 'Processor time of the controller, by measured costs',
        x: axisOf(all),
        y: { label: 'ms', scale: 'log' },
        series: [
          { name: 'of one job with builds of 10 minutes', points: at('controller_ms_build_10_min') },
          { name: 'of one job with builds of a minute', points: at('controller_ms_build_1_min') },
          {
            name: 'of a second: polls, witnesses, checkpoints',
            points: at('standing_cores').map(([n, cores]) => [n, cores * 1000] as const),
          },
        ],
      },
    },
  ];
}

export function leasesFigure(all: readonly Measured[]): Figure {
  const names = [...(all[0]?.played.keys() ?? [])];
  const rows = all.flatMap(({ workers, played }) =>
    [...played].map(([name, jobs]) => {
      const times = jobs.map(({ fullAt }) => fullAt / 1000);
      const filled = times.filter(Number.isFinite);
      return {
        workers,
        situation: name,
        jobs: jobs.length,
        never_full: times.length - filled.length,
        median_s: quantile(times, 0.5),
        p95_s: quantile(times, 0.95),
        expected_doublings: mean(jobs.map(({ draw, able }) => doublingsUntil(draw, able, policy.of))),
      };
    }),
  );
  const [slowest] = rows
    .filter(({ median_s }) => Number.isFinite(median_s))
    .sort((a, b) => b.median_s - a.median_s);
  return {
    name: 'scale-leases',
    says: `All slots are leased within a second where workers are free, whatever their number; ${slowest?.situation ?? ''}: after ${slowest?.median_s.toFixed(0) ?? ''} s in half of the jobs beside ${whole(slowest?.workers)} workers.`,
    table: toldTable(tableOf(rows)),
    plot: {
      title: 'Time until three operators have a lease, median',
      x: axisOf(all),
      y: { label: 'seconds' },
      series: names.map((name) => ({
        name,
        points: rows.flatMap((row) =>
          row.situation === name && Number.isFinite(row.median_s)
            ? [[all.findIndex(({ workers }) => workers === row.workers), row.median_s] as const]
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
  const rows = all.map((measured) => {
    const { workers, population, played } = measured;
    const jobs = ofAllFree(measured);
    const { groups, value, critical } = fairness(population, jobs);
    const part = (situation: string, from: number, to: number) =>
      slotsByMachines(population, played.get(situation) ?? [], from, to);
    return {
      workers,
      jobs: jobs.length,
      groups,
      chi_square: value,
      'critical_0.001': critical,
      ratio: value / critical,
      free_1_machine: part(allFree, 1, 1),
      free_2_to_4: part(allFree, 2, 4),
      free_5_to_50: part(allFree, 5, 50),
      busy_1_machine: part('half busy', 1, 1),
      busy_2_to_4: part('half busy', 2, 4),
      busy_5_to_50: part('half busy', 5, 50),
    };
  });
  const at = pointsOf(rows);
  const most = Math.max(...rows.map(({ ratio }) => ratio));
  return {
    name: 'scale-fairness',
    says: `χ² of slots over operators is at most ${most.toFixed(2)} of the value that one fair draw in a thousand exceeds; where half of the machines are busy, operators with one machine get ${(rows.at(-1)?.busy_1_machine ?? 0).toFixed(2)} of an equal part.`,
    table: toldTable(tableOf(rows)),
    plot: {
      title: 'Slots of an operator, over an equal part',
      x: axisOf(all),
      y: { label: 'parts', from: 0 },
      series: [
        { name: 'χ² over its critical value (all free)', points: at('ratio'), loose: true },
        { name: 'one machine, all free', points: at('free_1_machine') },
        { name: 'five machines and more, all free', points: at('free_5_to_50') },
        { name: 'one machine, half busy', points: at('busy_1_machine') },
        { name: 'five machines and more, half busy', points: at('busy_5_to_50') },
      ],
    },
  };
}

export function churnFigure(all: readonly Measured[]): Figure {
  const rows = all.map((measured) => {
    const jobs = ofAllFree(measured);
    const losses = jobs.flatMap(({ replacedAfter }) => replacedAfter);
    const replaced = losses.filter(Number.isFinite);
    const { mean: lost, within } = sampleOf(jobs.map((job) => job.replacedAfter.length));
    return {
      workers: measured.workers,
      jobs: jobs.length,
      lost_per_job: lost,
      within,
      expected: policy.of * leavesWithin(longBuildMs, stayMs),
      not_replaced: losses.length - replaced.length,
      replaced_after_s: mean(replaced) / 1000,
      leave_per_s: measured.workers / (stayMs / 1000),
    };
  });
  const at = pointsOf(rows);
  const large = rows.at(-1);
  return {
    name: 'scale-churn',
    says: `A worker that stays for ${stayMs / 3600_000} hours on average leaves ${(large?.expected ?? 0).toFixed(2)} of the builds of a job of ${longBuildMs / 60_000} minutes; the next in line has the slot ${(large?.replaced_after_s ?? 0).toFixed(0)} s later.`,
    table: toldTable(tableOf(rows)),
    plot: {
      title: `Builds of ${longBuildMs / 60_000} minutes whose worker leaves, of three`,
      x: axisOf(all),
      y: { label: 'builds of a job', from: 0 },
      series: [
        { name: 'simulated', points: at('lost_per_job'), loose: true },
        { name: 'expected', points: at('expected') },
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

/** Pearson's χ² of counts beside the same expectation for each. */
function chiSquare(counts: readonly number[], expected: number): number {
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

/** The value that χ² with so many degrees of freedom exceeds once in a thousand times, by Wilson and Hilferty: within 1 % from five degrees on. */
export function criticalChiSquare(degrees: number): number {
  const z = 3.0902;
  const part = 2 / (9 * degrees);
  return degrees * (1 - part + z * Math.sqrt(part)) ** 3;
}

interface Sample {
  mean: number;
  /** Half of the interval around the mean in which the true one is, 999 times of a thousand. */
  within: number;
}

export function sampleOf(values: readonly number[]): Sample {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance =
    values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1);
  return { mean, within: 3.2905 * Math.sqrt(variance / values.length) };
}

/** The value below which this part of the values is; `Infinity` where that many never came. */
function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
}

/** Messages and bytes of a job, or of a second. */
interface Load {
  messages: number;
  bytes: number;
}

const sum = (...loads: readonly Load[]): Load => ({
  messages: loads.reduce((all, { messages }) => all + messages, 0),
  bytes: loads.reduce((all, { bytes }) => all + bytes, 0),
});
const times = (count: number, bytes: number): Load => ({ messages: count, bytes: count * bytes });

/** The load of the controller by one job of three builds, without that of the trusted worker, of logs and of artifacts. */
function jobLoad(frames: Frames, spread: Spread, { claims, passes, heartbeats }: Answered, slots: number) {
  const gossip = sum(
    times(spread.fromController, frames.offer),
    times(spread.fromController, frames.verdict),
  );
  const { claim, pass, standby, reserve, lease, heartbeat, receipt, ack, reveal } = frames;
  const answers = sum(
    times(claims, claim + standby + reserve),
    times(passes, pass + standby),
    times(heartbeats, heartbeat),
  );
  const answered: Load = { ...answers, messages: 3 * claims + 2 * passes + heartbeats };
  const builds = times(slots, lease + receipt + ack + reveal);
  return { gossip, answered, builds: { ...builds, messages: 4 * slots } };
}

/** Copies of the notices of one job that workers send to each other. */
const forwardedLoad = (frames: Frames, { fromWorkers }: Spread): Load =>
  sum(times(fromWorkers, frames.offer), times(fromWorkers, frames.verdict));

/** The load of the controller in a second in which the log grows: polls of all workers, their lines, and the gossip of a checkpoint. */
function standingLoad(frames: Frames, workers: number): Load {
  const polls = (workers * 1000) / sessionTimes.pollMs;
  const feed = times(polls, frames.poll + frames.backlog + frames.witness);
  return sum(
    { ...feed, messages: 3 * polls },
    times((workers * 1000) / sessionTimes.checkpointMs, frames.checkpoint),
  );
}

/** Cores of the controller that it takes, by measured costs. */
function standingCores(workers: number): number {
  const perSecond = (workers * 1000) / sessionTimes.pollMs;
  const { messageMs, verifyMs } = costs;
  const gossip = ((workers * 1000) / sessionTimes.checkpointMs) * messageMs;
  return (perSecond * (3 * messageMs + verifyMs) + gossip) / 1000;
}

/** Processor time of the controller for one job, in ms. */
const jobMs = (spread: Spread, { claims, passes, heartbeats }: Answered): number =>
  costs.runMs +
  2 * spread.fromController * costs.messageMs +
  (claims + passes) * costs.claimMs +
  heartbeats * costs.messageMs;
