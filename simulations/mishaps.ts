import type { Node } from './network.ts';
import type { Observation } from './observer.ts';
import type { Surroundings } from './process.ts';
import type { Random } from './random.ts';
import type { Rates } from './rates.ts';

const minuteMs = 60_000;
/** More than documents tolerate; less is followed slowly. */
const clockOffMsMin = 125_000;
const clockOffMsMax = 2 * 3600_000;

/** A process of the simulation. */
export interface Mortal extends Node {
  crash(why: string): void;
  /** Sets its wall clock off by that much, for as long. */
  setClock(offMs: number, forMs: number): void;
}

interface Ground extends Pick<Surroundings, 'time' | 'network' | 'trace' | 'random'> {
  rates: Rates;
  nodes: readonly Mortal[];
  /** Faults are over. */
  healed(): boolean;
}

/** Schedules partitions, crashes, drains, restores and clocks that are set, up to the time `until`. */
export function scheduleMishaps<Disk>(
  ground: Ground,
  controller: { drain(limitMs: number): void } & Restorable<Disk>,
  until: number,
): void {
  schedulePartitions(ground, until);
  scheduleCrashes(ground, until);
  scheduleClocks(ground, until);
  scheduleDrains(ground, controller, until);
  scheduleRestores(ground, controller, until);
}

/** Cuts nodes off from all others for a while, until then. */
function schedulePartitions(ground: Ground, until: number): void {
  const { time, network, trace, rates, nodes } = ground;
  const chance: Random = ground.random.fork('partitions');
  for (let at = time.now; at < until; at += minuteMs) {
    if (!chance.chance(rates.partitionPerMinute)) continue;
    const node = chance.pick(nodes);
    const from = at + chance.int(0, minuteMs - 1);
    time.at(from, () => {
      if (ground.healed()) return;
      trace.write(time.now, node.name, 'is cut off');
      network.partition(node, true);
    });
    time.at(from + chance.int(1_000, rates.partitionMsMax), () => network.partition(node, false));
  }
}

/** Processes die at random times, whatever they do then. */
function scheduleCrashes(ground: Ground, until: number): void {
  const { time, rates, nodes } = ground;
  const chance: Random = ground.random.fork('crashes in time');
  for (let at = time.now; at < until; at += minuteMs) {
    for (const node of nodes) {
      if (!chance.chance(rates.crashPerMinute)) continue;
      time.at(at + chance.int(0, minuteMs - 1), () => {
        if (!ground.healed() && node.life > 0) node.crash('at a random time');
      });
    }
  }
}

/** A process dies again and again, every minute or so. */
export function flicker(
  node: Pick<Mortal, 'crash'>,
  { time, random, healed }: Pick<Ground, 'time' | 'random' | 'healed'>,
): void {
  const chance = random.fork('flicker');
  const again = (): void => {
    if (healed()) return;
    node.crash('for no reason');
    time.after(chance.int(20_000, 90_000), again);
  };
  time.after(chance.int(20_000, 90_000), again);
}

/** The controller is drained, as its operator does before an update. */
function scheduleDrains(ground: Ground, controller: { drain(limitMs: number): void }, until: number): void {
  const { time, rates } = ground;
  const chance: Random = ground.random.fork('drains in time');
  for (let at = time.now; at < until; at += minuteMs) {
    if (!chance.chance(rates.drainPerMinute)) continue;
    const limitMs = chance.int(1_000, 3 * minuteMs);
    time.at(at + chance.int(0, minuteMs - 1), () => {
      if (!ground.healed()) void controller.drain(limitMs);
    });
  }
}

/** Parts of the controller's disk that a restore does not bring back with the journal: they stay as they are, or are gone. */
const restoreKinds = [
  'whole',
  'whole',
  'journal in place',
  'no checkpoint',
  'no bundles',
  'journal alone',
  'journal lost',
] as const;
export type RestoreKind = (typeof restoreKinds)[number];

interface Restorable<Disk> {
  copy(): Disk;
  restore(disk: Disk, kind: RestoreKind): void;
}

/** A copy of the controller's disk is made, and put back seconds or minutes later. */
function scheduleRestores<Disk>(ground: Ground, controller: Restorable<Disk>, until: number): void {
  const { time, rates } = ground;
  const chance: Random = ground.random.fork('restores in time');
  for (let at = time.now; at < until; at += minuteMs) {
    if (!chance.chance(rates.restorePerMinute)) continue;
    const kind = chance.pick(restoreKinds);
    const from = at + chance.int(0, minuteMs - 1);
    const ageMs = chance.chance(0.5) ? chance.int(1_000, minuteMs) : chance.int(minuteMs, 6 * minuteMs);
    time.at(from, () => {
      if (ground.healed()) return;
      const disk = controller.copy();
      time.at(Math.min(from + ageMs, until - 1), () => {
        if (!ground.healed()) controller.restore(disk, kind);
      });
    });
  }
}

/** Wall clocks are set, forward or back, for one tick or for long. */
function scheduleClocks(ground: Ground, until: number): void {
  const { time, rates, nodes } = ground;
  const chance: Random = ground.random.fork('clocks');
  for (let at = time.now; at < until; at += minuteMs) {
    for (const node of nodes) {
      if (!chance.chance(rates.clockPerMinute)) continue;
      const off = chance.pick([-1, 1]) * chance.int(clockOffMsMin, clockOffMsMax);
      const forMs = chance.chance(0.5) ? chance.int(200, 8_000) : chance.int(15_000, 2 * minuteMs);
      time.at(at + chance.int(0, minuteMs - 1), () => {
        if (!ground.healed()) node.setClock(off, forMs);
      });
    }
  }
}

/** The trusted worker is gone for good once its receipt is in. */
export function vanishAfter(
  { effects }: Extract<Observation, { kind: 'handled' }>,
  { time, random }: Pick<Ground, 'time' | 'random'>,
  workers: readonly (Mortal & { crash(why: string, forGood: true): void })[],
  gone: () => void,
): void {
  const worker = workers.find(({ name }) => name === 'trusted');
  const delivered = effects.some(
    (effect) => effect.kind === 'reply' && effect.reply.kind === 'ack' && effect.reply.ack.aud === worker?.id,
  );
  if (worker === undefined || !delivered) return;
  time.after(random.fork('vanishing').int(0, 1_000), () => {
    if (worker.up) worker.crash('and never comes back', true);
    gone();
  });
}
