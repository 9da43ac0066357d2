import type { Random } from '../random.ts';
import { assumptions, type Situation } from './assumptions.ts';

/** Workers by the operator that they are of. Operators and workers are numbers from 0 on. */
export interface Population {
  /** Numbers of workers, by operator. */
  machines: number[][];
  /** The operator of each worker. */
  operatorOf: number[];
}

export const operatorName = (operator: number): string => `operator-${operator}`;
export const workerName = (worker: number): string => `worker-${worker}`;

/** A number from 0 up to 1, 1 excluded. */
const fraction = (random: Random): number => random.int(0, 2 ** 30 - 1) / 2 ** 30;

export const between = (random: Random, [from, to]: readonly [number, number]): number =>
  from + (to - from) * fraction(random);

/** Time until something happens that happens every `meanMs` on average. */
export const exponential = (random: Random, meanMs: number): number =>
  -meanMs * Math.log(1 - fraction(random));

export function populationOf(workers: number, random: Random): Population {
  const population: Population = { machines: [], operatorOf: [] };
  const { operatorOf, machines } = population;
  while (operatorOf.length < workers) {
    const wanted = Math.min(machinesOf(fraction(random)), workers - operatorOf.length);
    const own = Array.from({ length: wanted }, () => operatorOf.push(machines.length) - 1);
    machines.push(own);
  }
  return population;
}

function machinesOf(drawn: number): number {
  let below = 0;
  for (const { machines, share } of assumptions.machines) {
    below += share;
    if (drawn < below) return machines;
  }
  return 1;
}

/** `gone`: it left without a word, and the controller counts it as connected for `feedSilenceMs` more. */
export type WorkerState = 'free' | 'busy' | 'unfit' | 'gone';

export function statesOf(
  { operatorOf }: Population,
  { busy, unfit }: Situation,
  gone: number,
  random: Random,
): WorkerState[] {
  return operatorOf.map(() => {
    if (fraction(random) < gone) return 'gone';
    if (fraction(random) < unfit) return 'unfit';
    return fraction(random) < busy ? 'busy' : 'free';
  });
}
