import { readFile } from 'node:fs/promises';

/** Processor time so far, in seconds: of the whole host, and of this worker with its builds. */
export interface ProcessorTimes {
  at: number;
  machine: number;
  ours: number;
}

/** Unit of /proc/stat, independent of the kernel's own tick (proc_stat(5), USER_HZ). */
const ticksPerSecond = 100;

/** Seconds that all processors were busy since boot: user, nice, system and interrupts, not waiting. */
export function busySeconds(stat: string): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? '')
    .split(' ')
    .map(Number);
  return (user + nice + system + irq + softirq) / ticksPerSecond;
}

/** `builds`: seconds of processor time of all builds so far. */
export async function processorTimes(builds: number): Promise<ProcessorTimes> {
  const { user, system } = process.cpuUsage();
  return {
    at: performance.now() / 1000,
    machine: busySeconds(await readFile('/proc/stat', 'utf8')),
    ours: builds + (user + system) / 1e6,
  };
}

/** Processors that other programs kept busy between two measurements. */
export function hostLoad(before: ProcessorTimes, after: ProcessorTimes): number {
  const seconds = after.at - before.at;
  if (seconds <= 0) return 0;
  return Math.max(0, (after.machine - before.machine - (after.ours - before.ours)) / seconds);
}

/** Measurements below the limit before builds continue: other programs pause, too, such as a compiler that reads. */
const quietLooks = 2;

/** Whether other programs need the host: from a measurement above the limit on, until enough in a row are not. */
export class BusyOwner {
  /** Measurements since the last one above the limit. */
  #quiet = quietLooks;

  get isBusy(): boolean {
    return this.#quiet < quietLooks;
  }

  look(load: number, above: number): void {
    this.#quiet = load > above ? 0 : this.#quiet + 1;
  }
}
