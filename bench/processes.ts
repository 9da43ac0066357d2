import { readFile } from 'node:fs/promises';

/** The kernel counts processor time in these, whatever its own tick is (proc_pid_stat(5), USER_HZ). */
const ticksPerSecond = 100;

/** Milliseconds of processor time that a process has used, its children included: those it has waited for, and those that run. */
export async function processorMs(pid: number): Promise<number> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  const theirs = await Promise.all(
    children
      .split(' ')
      .filter(Boolean)
      .map((child) => processorMs(Number(child)).catch(() => 0)),
  );
  const own = await waitedForMs(pid);
  return theirs.reduce((sum, ms) => sum + ms, own);
}

async function waitedForMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name in parentheses may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return (ticks / ticksPerSecond) * 1000;
}

/** Megabytes of memory a process holds: all it has mapped in, and its share of what it has in common with others. */
export async function memoryMb(pid: number): Promise<{ resident: number; proportional: number }> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1] ?? Number.NaN) / 1000;
  return { resident: field('Rss'), proportional: field('Pss') };
}

/** Seconds of processor time that this process spends on something: on a machine that others use too, what it would take alone. */
export async function processorSeconds(work: () => unknown): Promise<number> {
  const began = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(began);
  return (user + system) / 1e6;
}
