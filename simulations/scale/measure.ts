import { defaultTimings } from '../../src/controller/machine/events.ts';
import { shareAround } from '../../src/controller/machine/rounds/open-round.ts';
import { toUtf8 } from '../../src/protocol/base/text.ts';
import { type Offer, sha256Hex } from '../../src/protocol/documents/index.ts';
import { sessionTimes } from '../../src/protocol/sessions/limits.ts';
import { drawOf } from '../../src/protocol/trust/draw.ts';
import { standIn } from '../keys.ts';
import type { Random } from '../random.ts';
import { assumptions, type Situation } from './assumptions.ts';
import type { Deciding } from './deciding.ts';
import type { Spread } from './gossip.ts';
import type { Project } from './machine-round.ts';
import { operatorName, type Population, statesOf, workerName } from './population.ts';
import { playRound, type RoundResult, readersOf } from './round.ts';
import { RuleRound } from './rule-round.ts';

/** Of a build job. */
export const policy = { agree: 2, of: 3 } as const;

const { windowMs, slotFillMs, widenMs } = defaultTimings;
const { stayMs, silentShare } = assumptions;

/** Part of the workers that the controller counts as connected and that are gone. */
const goneShare = (silentShare * sessionTimes.feedSilenceMs) / stayMs;

export interface Played extends RoundResult {
  draw: Offer['draw'];
  /** By operator. */
  draws: readonly number[];
  /** Operators with a worker that is free. */
  able: number;
}

/** An open round. */
interface Opened {
  deciding: Deciding;
  draw: Offer['draw'];
}

/** Chance of one job, the same whatever decides it. */
export interface Chance {
  spread: Spread;
  random: Random;
}

export const drawsOf = ({ machines }: Population, { seed }: Offer['draw']): number[] =>
  machines.map((_, operator) => drawOf(operatorName(operator), seed));

/** Plays one job: the offer spreads, workers answer, slots are given, some workers leave. `draws`: of the round, by operator. */
async function playJob(
  population: Population,
  situation: Situation,
  { deciding, draw, draws }: Opened & { draws: readonly number[] },
  { spread, random }: Chance,
): Promise<Played> {
  const states = statesOf(population, situation, goneShare, random.fork('states'));
  // Another worker is in the place of each in the mesh.
  const places = random.fork('places').shuffled(population.operatorOf.length);
  const arrivals = Array.from(places, (place) => spread.arrivals[place] ?? 0);
  const readers = readersOf(population, draw, { draws, arrivals, states }, random.fork('readers'));
  const rules = { slots: policy.of, giveUpMs: windowMs + slotFillMs, random: random.fork('stays') };
  const result = await playRound(deciding, readers, rules);
  const able = new Set(population.operatorOf.filter((_, worker) => states[worker] === 'free')).size;
  return { ...result, draw, draws, able };
}

/** Plays a job by the draw and the rule of claims alone. */
export function playByRule(
  population: Population,
  situation: Situation,
  draw: Offer['draw'],
  chance: Chance,
): Promise<Played> {
  const draws = drawsOf(population, draw);
  const deciding = new RuleRound(population, draws, draw, { slots: policy.of, idOf: workerId });
  return playJob(population, situation, { deciding, draw, draws }, chance);
}

const workerId = (worker: number): string => standIn.signer(workerName(worker)).id;

/** The draw of an offer as the controller makes it while all of them are connected. */
export function drawFor({ machines }: Population, name: string): Offer['draw'] {
  return { seed: sha256Hex(toUtf8(name)), share: shareAround(machines.length, policy.of), widenMs };
}

/** Plays a job by production's machine of a controller. */
export async function playByMachine(project: Project, situation: Situation, chance: Chance): Promise<Played> {
  const { population } = project;
  const deciding = await project.open(policy);
  const { draw } = deciding.offer;
  const draws = drawsOf(population, draw);
  const played = await playJob(population, situation, { deciding, draw, draws }, chance);
  deciding.end();
  return played;
}
