import { readFile } from 'node:fs/promises';

/** Processor time so far, in seconds: of the whole machine, and of what this worker and its builds used. */
export interface ProcessorTimes {
  at: number;
  machine: number;
  ours: number;
}

/** What /proc/stat counts in, whatever the kernel's own tick is (proc_stat(5), USER_HZ). */
const ticksPerSecond = 100;

/** Seconds that all processors were busy since the machine started: user, nice, system, interrupts; waiting is none. */
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

/** How many processors everybody else kept busy in between. */
export function ownerLoad(before: ProcessorTimes, after: ProcessorTimes): number {
  const seconds = after.at - before.at;
  if (seconds <= 0) return 0;
  return Math.max(0, (after.machine - before.machine - (after.ours - before.ours)) / seconds);
}
