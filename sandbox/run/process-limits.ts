import { readFileSync } from 'node:fs';
import { requireTool } from '../host.ts';

/** Bounds of each process of a build, the same in every tier: the tier passes them to each of its guards that sets limits. */
export interface ProcessBounds {
  readonly openFilesMax: number;
}

/** Open files: enough for compilers; the kernel's file table is shared by all processes of the host. */
export const processBounds: ProcessBounds = { openFilesMax: 16_384 };

/** Resource limits of one process, besides those of its cgroups: `soft:hard` by the name of the option of prlimit(1). */
export type ProcessLimits = (bounds: ProcessBounds) => Record<string, string>;

/** Soft limit: FD_SETSIZE of select(2). Programs that need more raise it themselves. */
const OPEN_FILES_USUAL = 1024;

/**
 * Limits of a build's processes. They are set because inherited limits differ between hosts and may be privileges, such as
 * real-time priority, which a processor quota does not bound.
 */
export const buildProcessLimits: ProcessLimits = ({ openFilesMax }) => {
  const open = Math.min(openFilesMax, hard('open files') ?? OPEN_FILES_USUAL);
  // 1, not 0: if core dumps are piped to a program of the host, only the limit 1 keeps the kernel from starting it
  // (fs/coredump.c). A hard limit of 0 cannot be raised.
  const core = hard('core file size') === 0 ? 0 : 1;
  return {
    core: `${core}:${core}`,
    nofile: `${Math.min(OPEN_FILES_USUAL, open)}:${open}`,
    rtprio: '0:0',
    nice: '0:0',
  };
};

/** The same for gVisor's own processes, which hold one or two open files for each of the build's. */
export const gvisorProcessLimits: ProcessLimits = (bounds) => {
  const open = hard('open files') ?? OPEN_FILES_USUAL;
  return { ...buildProcessLimits(bounds), nofile: `${open}:${open}` };
};

/** Command prefix that sets limits; empty for none. @throws SANDBOX_UNAVAILABLE without prlimit(1) */
export function prlimit(limits: Record<string, string>): string[] {
  const options = Object.entries(limits).map(([name, value]) => `--${name}=${value}`);
  return options.length === 0 ? [] : [requireTool('prlimit'), ...options, '--'];
}

/** A hard limit of this process; undefined if it is unlimited. */
function hard(name: string): number | undefined {
  const text = readFileSync('/proc/self/limits', 'utf8');
  const found = new RegExp(`^Max ${name} +\\S+ +(\\d+)`, 'm').exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}
