import { allowedProcessors, requireTool } from '../host.ts';
import type { SandboxJob } from '../types.ts';
import { type ProcessLimits, prlimit } from './process-limits.ts';

/** nice(1) value of a build: it yields to the host's other processes where there is no cpu controller. */
const NICENESS = 10;

/** The kernel's out-of-memory killer ends builds first (proc_pid_oom_score_adj(5)). */
const OOM_SCORE = 1000;

/**
 * Closes descriptors that the worker inherited (an open folder of the host would be an escape), opens files as descriptors from
 * `first` on, joins the cgroups (writing 0 moves the writer itself, cgroups(7)) and executes the command. Needs bash: dash cannot
 * name descriptor 10.
 */
const enterScript = `
set -eu
oom=$1 keep=$2 first=$3 files=$4 groups=$5; shift 5
if [ -n "$oom" ]; then echo "$oom" > /proc/self/oom_score_adj; fi
for path in /proc/self/fd/*; do
  fd=\${path##*/}
  if [ "$fd" -ge "$keep" ]; then eval "exec $fd>&-"; fi
done
while [ "$files" -gt 0 ]; do eval "exec $first<\\"\\$1\\""; shift; first=$((first + 1)); files=$((files - 1)); done
while [ "$groups" -gt 0 ]; do echo 0 > "$1/cgroup.procs"; shift; groups=$((groups - 1)); done
exec "$@"
`;

/** Settings of a process before it executes the command of a sandbox. */
export interface Entering {
  /** The first descriptor that is closed, with all above. */
  readonly keep: number;
  /** Files that are opened then, by the descriptor of the first of them. */
  readonly files?: { readonly first: number; readonly paths: readonly string[] };
  /** Directories of the cgroups to join. */
  readonly directories: readonly string[];
  /** Processors that a build may run on, at a lower priority and first to be ended for memory. Absent: as the worker. */
  readonly processors?: readonly number[];
  readonly limits: ReturnType<ProcessLimits>;
}

/** Command prefix that enters by the native program, which then also is the descriptor after the files, or else `keep`. */
export function enterNatively(
  program: string,
  { keep, files: { first, paths } = { first: keep, paths: [] }, directories, processors, limits }: Entering,
): string[] {
  return [
    ...[program, 'enter', 'keep', String(keep)],
    ...(processors === undefined ? [] : ['oom', String(OOM_SCORE)]),
    ...paths.flatMap((path, n) => ['open', String(first + n), path]),
    ...directories.flatMap((directory) => ['group', directory]),
    ...(processors === undefined ? [] : ['nice', String(NICENESS), 'cpus', processors.join(',')]),
    ...Object.entries(limits).flatMap(([name, value]) => ['limit', name, ...value.split(':')]),
    ...['self', String(first + paths.length), '--'],
  ];
}

/** The same by tools of the host. */
export function enterByTools({
  keep,
  files: { first, paths } = { first: keep, paths: [] },
  directories,
  processors,
  limits,
}: Entering): string[] {
  const counts = [keep, first, paths.length, directories.length].map(String);
  return [
    // With a socket as standard input bash takes itself for a remote shell and would read the user's start-up file.
    ...[requireTool('bash'), '--norc', '-c', enterScript, 'quorate-enter'],
    ...[processors === undefined ? '' : String(OOM_SCORE), ...counts, ...paths, ...directories],
    ...(processors === undefined
      ? []
      : [
          ...[requireTool('nice'), '-n', String(NICENESS)],
          ...[requireTool('taskset'), '--cpu-list', processors.join(',')],
        ]),
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
