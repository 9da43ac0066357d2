import type { Random } from '../random.ts';
import { assumptions } from './assumptions.ts';
import { between } from './population.ts';

const { degree, latencyMs, controllerUplink, workerUplink } = assumptions;

/** How a message of the controller reaches every worker. */
export interface Spread {
  /** Milliseconds until each worker has it. */
  arrivals: number[];
  /** Copies that the controller sends. */
  fromController: number;
  /** Copies that workers send to each other. */
  fromWorkers: number;
}

interface Link {
  to: number;
  latencyMs: number;
}

/** Each worker has chosen half of its neighbours, and was chosen by the others. */
function meshOf(workers: number, random: Random): Link[][] {
  const links: Link[][] = Array.from({ length: workers }, () => []);
  for (const [worker, own] of links.entries()) {
    for (let n = 0; n < degree / 2 && workers > 1; n++) {
      const to = random.int(0, workers - 1);
      if (to === worker || own.some((link) => link.to === to)) continue;
      const ms = between(random, latencyMs);
      own.push({ to, latencyMs: ms });
      links[to]?.push({ to: worker, latencyMs: ms });
    }
  }
  return links;
}

/**
 * Spreads a message of so many bytes as `src/mesh/gossip.ts` sets it up: its author sends it to all its neighbours (`floodPublish`), one after
 * the other over its uplink; whoever has it forwards the first copy to its neighbours in the mesh, but for the one that sent it.
 */
export function spread(workers: number, bytes: number, random: Random): Spread {
  const links = meshOf(workers, random);
  const arrivals = new Array<number>(workers).fill(Number.POSITIVE_INFINITY);
  const from = new Int32Array(workers).fill(-1);
  const due: number[][] = [];
  const arrive = (worker: number, at: number, sender: number) => {
    if (at >= (arrivals[worker] ?? 0)) return;
    arrivals[worker] = at;
    from[worker] = sender;
    const slot = Math.floor(at);
    const waiting = due[slot];
    if (waiting === undefined) due[slot] = [worker];
    else waiting.push(worker);
  };
  const order = random.shuffled(workers);
  for (const [n, worker] of order.entries())
    arrive(worker, ((n + 1) * bytes) / controllerUplink + between(random, latencyMs), -1);
  const done = new Uint8Array(workers);
  let fromWorkers = 0;
  for (let slot = 0; slot < due.length; slot++) {
    for (const worker of due[slot] ?? []) {
      if (done[worker] === 1) continue;
      done[worker] = 1;
      const to = (links[worker] ?? []).filter((link) => link.to !== from[worker]);
      fromWorkers += to.length;
      for (const [n, link] of to.entries()) {
        const at = (arrivals[worker] ?? 0) + ((n + 1) * bytes) / workerUplink + link.latencyMs;
        arrive(link.to, at, worker);
      }
    }
  }
  return { arrivals, fromController: workers, fromWorkers };
}
