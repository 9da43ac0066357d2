import type { Figure } from '../report/figure.ts';
import { Draws } from './draw.ts';
import {
  acceptedFigure,
  attackerFigures,
  controllerFigure,
  sizeFigure,
  takenOverFigure,
} from './figures/acceptance.ts';
import { costFigure, hoursFigure, inviteFigure, lackFigure, noticedFigure } from './figures/cost.ts';
import { karmaFigure, priceFigure, sleeperFigure, yearsOf } from './figures/history.ts';
import { protocolFigure } from './figures/protocol.ts';

const sizes = [10, 20, 50, 100, 1_000, 10_000, 100_000];
/** Of each population; more of the one that policies are compared in. */
const jobs = 4_000;
const jobsCompared = 10_000;
const compared = 1_000;

/** Attackers against policies and reputation schemes. */
export async function attackers(seed: number): Promise<readonly Figure[]> {
  const text = `seed ${seed}`;
  const draws = new Draws(compared, jobsCompared, text);
  const populations = sizes.map((size) => (size === compared ? draws : new Draws(size, jobs, text)));
  const years = yearsOf(8, text);
  return [
    acceptedFigure(draws, jobsCompared, text),
    ...attackerFigures(draws, jobs / 4, text),
    takenOverFigure(draws, jobsCompared, text),
    controllerFigure(draws, jobs / 4, text),
    sizeFigure(populations, jobs, text),
    noticedFigure(draws, jobsCompared, text),
    costFigure(draws, jobsCompared, text),
    hoursFigure(draws, jobs / 2, text),
    lackFigure((size) => new Draws(size, jobs, text), jobs, text),
    inviteFigure(populations.slice(0, 5), jobs, text),
    karmaFigure(years),
    sleeperFigure(years),
    priceFigure(years),
    await protocolFigure(seed, 4),
  ];
}
