import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Random } from '../../../simulations/random.ts';
import { assumptions, situations } from '../../../simulations/scale/assumptions.ts';
import { doublingsUntil, firstClaims, leavesWithin } from '../../../simulations/scale/closed-forms.ts';
import {
  askedAtOnce,
  criticalChiSquare,
  drawsFairness,
  fairness,
  sampleOf,
} from '../../../simulations/scale/figures.ts';
import { framesOf } from '../../../simulations/scale/frames.ts';
import { spread } from '../../../simulations/scale/gossip.ts';
import { drawFor, drawsOf, type Played, policy } from '../../../simulations/scale/measure.ts';
import { type Population, populationOf } from '../../../simulations/scale/population.ts';
import { measure, scaleStudy } from '../../../simulations/scale/study.ts';
import { defaultTimings } from '../../../src/controller/machine/events.ts';
import { checkLength } from '../../../src/protocol/wire/bounds.ts';

const frames = await framesOf();
const random = new Random('scale of a test');
const expectWithin = (values: readonly number[], expected: number) => {
  const { mean, within } = sampleOf(values);
  expect(Math.abs(mean - expected), `${mean} ± ${within} beside ${expected}`).toBeLessThanOrEqual(within);
};

describe('a round by the rule of claims alone', () => {
  it('is that of the machine of a controller, lease by lease, whatever state its workers are in', async () => {
    const { differing, played } = await measure(
      { workers: 60, jobs: 15, byMachine: 15 },
      frames.offer,
      random,
    );
    expect(differing).toEqual([]);
    const jobs = [...played.values()].flat();
    // Slots that were lost and given again, that nobody took, and windows that ended by their time are among them.
    expect(jobs.some(({ replacedAfter }) => replacedAfter.length > 0)).toBe(true);
    expect(jobs.some(({ fullAt }) => fullAt === Number.POSITIVE_INFINITY)).toBe(true);
    expect(jobs.some(({ given }) => given[0]?.at === defaultTimings.windowMs)).toBe(true);
  });
});

describe('jobs beside 800 workers', async () => {
  const { population, played } = await measure(
    { workers: 800, jobs: 250, byMachine: 0 },
    frames.offer,
    random,
  );
  const of = (name: string): readonly Played[] => played.get(name) ?? [];
  const free = of('all free');

  it('ask as many workers at once as their share says', () => {
    const [first] = free;
    expectWithin(
      free.map((job) => askedAtOnce(population, job)),
      first === undefined ? 0 : firstClaims(first.draw, population.operatorOf.length),
    );
  });

  it.each(situations.slice(1).map(({ name }) => name))(
    'have their leases when the k-th lowest draw of those who can is open: %s',
    (name) => {
      const jobs = of(name).filter(({ able }) => able >= policy.of);
      const late = jobs.map(({ fullAt, draw, able }) => {
        // Answers take less than a doubling.
        return Math.floor(fullAt / defaultTimings.widenMs) - doublingsUntil(draw, able, policy.of);
      });
      expectWithin(late, 0);
    },
  );

  it('are answered by those who were asked at once alone, however long they build, where these took all slots', () => {
    const filled = free.filter(({ told }) => told.length === 0);
    expect(filled.length).toBeGreaterThan(200);
    for (const job of filled) {
      const { claims, passes } = job.untilLong;
      expect(claims + passes).toBeLessThanOrEqual(askedAtOnce(population, job));
    }
  });

  it('lose as many builds as workers leave', () => {
    const { longBuildMs, stayMs } = assumptions;
    const lost = free.map(({ replacedAfter }) => replacedAfter.length);
    expectWithin(lost, policy.of * leavesWithin(longBuildMs, stayMs));
  });

  it('give slots to operators fairly, however many machines they have', () => {
    const { value, critical } = fairness(population, free);
    expect(value).toBeLessThan(critical);
  });
});

describe('χ²', () => {
  it('has the critical values of the tables', () => {
    for (const [degrees, value] of [
      [9, 27.877],
      [30, 59.703],
      [100, 149.449],
    ] as const)
      expect(Math.abs(criticalChiSquare(degrees) / value - 1)).toBeLessThan(0.01);
  });

  it('finds draws of operators to be uniform', () => {
    const population = populationOf(20_000, random.fork('uniform'));
    const draws = ['one', 'two', 'three'].flatMap((name) => drawsOf(population, drawFor(population, name)));
    const { value, critical } = drawsFairness(draws, 64);
    expect(value).toBeLessThan(critical);
  });

  it('finds a draw in which each machine has a lot', () => {
    const population = populationOf(800, random.fork('unfair'));
    const jobs = Array.from({ length: 250 }, (_, n) => ({ given: byMachines(population, `job ${n}`) }));
    const { value, critical } = fairness(population, jobs);
    expect(value).toBeGreaterThan(critical);
  });
});

/** Slots of operators with the lowest draws, where an operator has as many draws as machines. */
function byMachines({ machines, operatorOf }: Population, name: string): Played['given'] {
  const alone: Population = { machines: operatorOf.map((_, worker) => [worker]), operatorOf: [] };
  const draws = drawsOf(alone, drawFor(alone, name));
  const lowest = machines.map((own) => Math.min(...own.map((worker) => draws[worker] ?? 0)));
  const order = [...lowest.keys()].sort((a, b) => (lowest[a] ?? 0) - (lowest[b] ?? 0));
  return order.slice(0, policy.of).map((operator, slot) => ({ at: 0, slot, worker: 0, operator }));
}

describe('the spread of a notice', () => {
  it('is through a mesh of the degree that gossipsub has here', async () => {
    const path = '../../../node_modules/@libp2p/gossipsub/dist/src/constants.js';
    const { GossipsubD } = await import(new URL(path, import.meta.url).href);
    expect(assumptions.degree).toBe(GossipsubD);
  });

  it('reaches all, each by one copy of the controller and as many as it has neighbours, but for the first', () => {
    const { arrivals, fromController, fromWorkers } = spread(2_000, 3_000, random.fork('spread'));
    expect(arrivals.every((at) => at > 0 && at < 5_000)).toBe(true);
    expect(fromController).toBe(2_000);
    expect(fromWorkers / 2_000).toBeGreaterThan(assumptions.degree - 1.1);
    expect(fromWorkers / 2_000).toBeLessThan(assumptions.degree);
  });
});

describe('bytes of messages', () => {
  it('are within what production reads', () => {
    const member = { sender: 'member' } as const;
    for (const kind of ['claim', 'pass', 'heartbeat'] as const) checkLength('lease', member, frames[kind]);
    for (const kind of ['hello', 'poll', 'witness'] as const) checkLength('feed', member, frames[kind]);
    expect(frames.claim).toBeGreaterThan(frames.heartbeat);
  });
});

describe('npm run simulate -- scale', () => {
  it('gives the same figures for the same seed, and others for another', async () => {
    const sizes = [30, 60].map((workers) => ({ workers, jobs: 8, byMachine: 1 }));
    const tables = async (seed: number) => (await scaleStudy(seed, sizes)).map(({ table }) => table);
    const first = await tables(1);
    expect(await tables(1)).toEqual(first);
    expect(await tables(2)).not.toEqual(first);
    const numbers = first.flatMap(({ rows }) => rows.flat()).filter((cell) => typeof cell === 'number');
    expect(numbers.filter((number) => !Number.isFinite(number))).toEqual([]);
  });

  it('gives the numbers in docs/simulation.md that few jobs give, too', async () => {
    const sizes = [400, 1, 1].map((jobs, n) => ({ workers: 100 * 10 ** n, jobs, byMachine: 0 }));
    const figures = await scaleStudy(1, sizes);
    const page = readFileSync(new URL('../../../docs/simulation.md', import.meta.url), 'utf8');
    const check = (answer: string, first: number, name: string, column: string, unit = 1, rows = 1): void => {
      const [, cell = ''] = new RegExp(`^\\| ${answer}[^|]*\\|([^|]*)`, 'm').exec(page) ?? [];
      const told = cell.match(/\d+(\.\d+)?/g)?.slice(first, first + rows) ?? [];
      const table = figures.find((figure) => figure.name === name)?.table;
      const found = table?.rows.map((row) => Number(row[table.columns.indexOf(column)]) / unit) ?? [];
      expect(told).toHaveLength(rows);
      expect(told).toEqual(told.map((text, n) => found[n]?.toFixed(text.split('.')[1]?.length ?? 0)));
    };
    check('claims and passes', 0, 'scale-claims', 'answers_build_1_min');
    check('three leases', 0, 'scale-leases', 'median_s');
    check('of three builds', 0, 'scale-churn', 'expected');
    check('gossip', 0, 'scale-bytes', 'gossip_bytes', 1e6, 3);
    check('processor time', 0, 'scale-controller', 'build_1_min_ms');
    check('feed and checkpoints', 0, 'scale-bytes', 'standing_per_s_bytes', 1e6, 3);
    check('feed and checkpoints', 4, 'scale-controller', 'standing_cores', 1, 3);
  });
});
