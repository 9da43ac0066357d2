import { isDeepStrictEqual } from 'node:util';
import { Random } from '../random.ts';
import type { Figure } from '../report/figure.ts';
import { situations } from './assumptions.ts';
import {
  churnFigure,
  claimsFigure,
  fairnessFigure,
  leasesFigure,
  loadFigures,
  type Measured,
} from './figures.ts';
import { type Frames, framesOf } from './frames.ts';
import { spread } from './gossip.ts';
import { Project } from './machine-round.ts';
import { drawFor, type Played, playByMachine, playByRule } from './measure.ts';
import { populationOf } from './population.ts';

export interface Size {
  workers: number;
  /** Jobs in each situation. */
  jobs: number;
  /** So many of them also by production's machine of a controller. */
  byMachine: number;
}

const sizes: readonly Size[] = [
  { workers: 100, jobs: 400, byMachine: 20 },
  { workers: 1_000, jobs: 400, byMachine: 3 },
  { workers: 10_000, jobs: 100, byMachine: 0 },
  { workers: 100_000, jobs: 20, byMachine: 0 },
];

export interface Outcome extends Measured {
  /** Jobs that the machine decided otherwise than the rule of claims alone. */
  differing: string[];
}

/** Plays all jobs of one size. */
export async function measure(
  { workers, jobs, byMachine }: Size,
  bytes: number,
  all: Random,
): Promise<Outcome> {
  const random = all.fork(`${workers} workers`);
  const population = populationOf(workers, random.fork('population'));
  const project = byMachine > 0 ? await Project.of(population) : undefined;
  const spreading = spread(workers, bytes, random.fork('gossip'));
  const differing: string[] = [];
  const played = new Map<string, Played[]>();
  for (const situation of situations) {
    const own: Played[] = [];
    for (let n = 0; n < jobs; n++) {
      const name = `${workers} workers, ${situation.name}, job ${n}`;
      const chance = { spread: spreading, random: random.fork(name) };
      const real =
        project !== undefined && n < byMachine ? await playByMachine(project, situation, chance) : undefined;
      const draw = real?.draw ?? drawFor(population, `${random.fork(name).int(0, 2 ** 30)} ${name}`);
      const ruled = await playByRule(population, situation, draw, chance);
      if (real !== undefined && !isDeepStrictEqual(real, ruled)) differing.push(name);
      own.push(ruled);
    }
    played.set(situation.name, own);
  }
  return { workers, population, spread: spreading, played, differing };
}

function figuresOf(all: readonly Measured[], frames: Frames): Figure[] {
  return [
    claimsFigure(all),
    ...loadFigures(all, frames),
    leasesFigure(all),
    fairnessFigure(all),
    churnFigure(all),
  ];
}

/** The answers of `npm run simulate -- scale`. `asked`: other sizes. */
export async function scaleStudy(seed: number, asked: readonly Size[] = sizes): Promise<Figure[]> {
  const random = new Random(`scale ${seed}`);
  const frames = await framesOf();
  const all: Outcome[] = [];
  for (const size of asked) all.push(await measure(size, frames.offer, random));
  const differing = all.flatMap((outcome) => outcome.differing);
  if (differing.length > 0) throw new Error(`the machine decides otherwise: ${differing.join('; ')}`);
  return figuresOf(all, frames);
}
