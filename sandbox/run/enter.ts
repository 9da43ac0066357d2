import { allowedProcessors, requireTool } from '../host.ts';
import type { SandboxJob } from '../types.ts';
import { type ProcessLimits, prlimit } from './process-limits.ts';

/** nice(1) value of a build: it yields to the host's other processes where there is no cpu controller. */
const NICENESS = 10;

/** The kernel's out-of-memory killer ends builds first (proc_pid_oom_score_adj(5)). */
const OOM_SCORE = 1000;

/**
 * Closes descriptors that the worker inherited (an open folder of the host would be an escape), joins the cgroups (writing 0
 * moves the writer itself, cgroups(7)) and executes the command. Needs bash: dash cannot name descriptor 10.
 */
const enterScript = `
set -eu
keep=$1 groups=$2; shift 2
echo ${OOM_SCORE} > /proc/self/oom_score_adj
for path in /proc/self/fd/*; do
  fd=\${path##*/}
  if [ "$fd" -ge "$keep" ]; then eval "exec $fd>&-"; fi
done
while [ "$groups" -gt 0 ]; do echo 0 > "$1/cgroup.procs"; shift; groups=$((groups - 1)); done
exec "$@"
`;

/** Settings of a process before it executes the command of a sandbox: descriptors, cgroups, processors, limits. */
export interface Entering {
  /** The first descriptor that is closed, with all above. */
  readonly keep: number;
  /** Directories of the cgroups to join. */
  readonly directories: readonly string[];
  /** Processors that it may run on. */
  readonly processors: readonly number[];
  readonly limits: ReturnType<ProcessLimits>;
}

/** Wraps a command so that it is entered by the native program, which then also is descriptor `keep`. */
export function enterNatively(
  program: string,
  { keep, directories, processors, limits }: Entering,
): string[] {
  return [
    ...[program, 'enter', 'keep', String(keep), 'oom', String(OOM_SCORE)],
    ...directories.flatMap((directory) => ['group', directory]),
    ...['nice', String(NICENESS), 'cpus', processors.join(',')],
    ...Object.entries(limits).flatMap(([name, value]) => ['limit', name, ...value.split(':')]),
    ...['self', String(keep), '--'],
  ];
}

/** The same by tools of the host. */
export function enterByTools({ keep, directories, processors, limits }: Entering): string[] {
  return [
    requireTool('bash'),
    // With a socket as standard input bash takes itself for a remote shell and would read the user's start-up file.
    ...['--norc', '-c', enterScript, 'quorate-enter', String(keep), String(directories.length)],
    ...directories,
    ...[requireTool('nice'), '-n', String(NICENESS)],
    ...[requireTool('taskset'), '--cpu-list', processors.join(',')],
    ...prlimit(limits),
  ];
}

/** Jobs start at different processors, so that small ones do not share one while others are idle. */
export function processorsOf(
  { limits, variation }: Pick<SandboxJob, 'limits' | 'variation'>,
  slot: number,
): number[] {
  const allowed = allowedProcessors();
  const wanted = variation?.processors ?? Math.ceil(limits.cpus);
  const count = Math.min(Math.max(1, wanted), allowed.length);
  return Array.from({ length: count }, (_, n) => allowed[(slot + n) % allowed.length] ?? 0);
}
