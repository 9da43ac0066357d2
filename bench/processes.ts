import { readFile } from 'node:fs/promises';
import { childrenOf } from '../test/e2e/support/proc-files.ts';

/**
 * Megabytes of memory that a process and its children hold: all that they have mapped in, and their share of what they have in
 * common with others.
 */
export async function memoryMb(pid: number): Promise<{ resident: number; proportional: number }> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1] ?? Number.NaN) / 1000;
  const nothing = { resident: 0, proportional: 0 };
  const children = await Promise.all(
    (await childrenOf(pid)).map((child) => memoryMb(child).catch(() => nothing)),
  );
  return {
    resident: children.reduce((sum, { resident }) => sum + resident, field('Rss')),
    proportional: children.reduce((sum, { proportional }) => sum + proportional, field('Pss')),
  };
}

/** Seconds of processor time that this process spends on something: on a machine that others use too, what it would take alone. */
export async function processorSeconds(work: () => unknown): Promise<number> {
  const began = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(began);
  return (user + system) / 1e6;
}
