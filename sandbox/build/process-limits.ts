import { readFileSync } from 'node:fs';
import { requireTool } from '../host.ts';

/** `soft:hard` by the name of prlimit's option: what a process of the build may have, besides what its groups hold. */
export type ProcessLimits = () => Record<string, string>;

/** Enough for any compiler; the machine's table of open files is one for all. */
const OPEN_FILES_MAX = 16_384;
/** What select(2) can count to, and the usual soft limit: programs that want more raise it themselves. */
const OPEN_FILES_USUAL = 1024;

/**
 * What a build does not inherit from whoever started the worker: it would differ between machines, and may be a right,
 * such as that of an audio group to run before everything else, which no processor quota holds.
 */
export const buildProcessLimits: ProcessLimits = () => {
  const open = Math.min(OPEN_FILES_MAX, hard('open files') ?? OPEN_FILES_USUAL);
  // Not 0: where core dumps are piped to a program of the host, only 1 keeps the kernel from starting it (fs/coredump.c).
  // Who was given 0 may not take 1.
  const core = hard('core file size') === 0 ? 0 : 1;
  return {
    core: `${core}:${core}`,
    nofile: `${Math.min(OPEN_FILES_USUAL, open)}:${open}`,
    rtprio: '0:0',
    nice: '0:0',
  };
};

/** The same for gVisor's own processes, which have an open file or two for each of a build's. */
export const gvisorProcessLimits: ProcessLimits = () => {
  const open = hard('open files') ?? OPEN_FILES_USUAL;
  return { ...buildProcessLimits(), nofile: `${open}:${open}` };
};

export function prlimit(limits: Record<string, string>): string[] {
  const options = Object.entries(limits).map(([name, value]) => `--${name}=${value}`);
  return options.length === 0 ? [] : [requireTool('prlimit'), ...options, '--'];
}

/** Of this process; undefined where there is none. */
function hard(name: string): number | undefined {
  const text = readFileSync('/proc/self/limits', 'utf8');
  const found = new RegExp(`^Max ${name} +\\S+ +(\\d+)`, 'm').exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}
