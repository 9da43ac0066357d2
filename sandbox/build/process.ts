import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { QuorateError } from '../../src/core/errors.ts';
import { allowedProcessors, requireTool } from '../host.ts';
import { bridgeToProxy, inNetworkNamespace } from '../net/proxy-bridge.ts';
import type { SandboxJob } from '../types.ts';
import { driverFds, terminalFds } from './driver.ts';
import { buildProcessLimits, type ProcessLimits, prlimit } from './process-limits.ts';

/** nice(1) value of a build: it yields to the host's other processes where there is no cpu controller. */
const NICENESS = 10;

/** The kernel's out-of-memory killer ends builds first (proc_pid_oom_score_adj(5)). */
const OOM_SCORE = 1000;

/** The first descriptor that a tier may use for its own data; those below are the driver's. */
export const firstFreeFd = driverFds.outputs + 1;

/** The same in a tier that supports terminals. */
export const firstFreeFdFor = ({ terminal }: Pick<SandboxJob, 'terminal'>): number =>
  terminal === undefined ? firstFreeFd : terminalFds.sizes + 1;

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

/** A started build: the streams to and from its driver (see driver.ts), whatever lies between it and this process. */
export interface BuildProcess {
  /** When it has ended, no process of the build is left. */
  readonly child: { readonly ended: Promise<void>; kill(): void };
  /** Source and inputs, as one tar stream. */
  readonly input: Writable;
  readonly log: Readable;
  /** Error output of the tier's own tools and of the set-up. */
  readonly diagnostics: Readable;
  readonly status: Readable;
  readonly outputs: Readable;
  /** Removes files of the tier. Called when no process of the build is left. */
  readonly cleanUp?: () => Promise<void>;
  /** The build was frozen or thawed: pauses or resumes time limits of the tier's own. */
  pause?(paused: boolean): void;
}

export interface StartOptions {
  /** If it has a network, the command starts in a network namespace with the proxy on its loopback. */
  readonly job: SandboxJob;
  /** Directories of the cgroups to join before the first instruction. */
  readonly directories: readonly string[];
  /** A number that differs between jobs that run at the same time. */
  readonly slot: number;
  /** Gets the driver's descriptors 0 to 4 (or 6, with a terminal) and those of `data`, and no other. */
  readonly command: readonly string[];
  readonly data?: readonly { fd: number; bytes: Uint8Array }[];
  readonly processLimits?: ProcessLimits;
}

/**
 * Starts a command inside of the job's cgroups: a shell joins them and then executes the command, so no instruction of the
 * build runs outside. The command may run on as many processors as the job asks for, so that a build sees the same number
 * on every host. @throws SANDBOX_SPAWN_FAILED
 */
export function startInCgroups({
  job,
  directories,
  slot,
  command,
  data = [],
  processLimits = buildProcessLimits,
}: StartOptions): BuildProcess {
  const stdio = Array.from({ length: firstFreeFdFor(job) + data.length }, () => 'pipe' as const);
  const enter = [
    requireTool('bash'),
    // With a socket as standard input bash takes itself for a remote shell and would read the user's start-up file.
    ...['--norc', '-c', enterScript, 'quorate-enter', String(stdio.length), String(directories.length)],
    ...directories,
    ...[requireTool('nice'), '-n', String(NICENESS)],
    ...[requireTool('taskset'), '--cpu-list', processorsOf(job, slot).join(',')],
    ...prlimit(processLimits()),
    ...command,
  ];
  const { network } = job;
  const [file = '', ...words] = network === undefined ? enter : inNetworkNamespace(enter);
  const child = spawn(file, words, {
    ...{ cwd: '/', env: {} },
    stdio: network === undefined ? stdio : [...stdio, 'ipc'],
  });
  if (network !== undefined) bridgeToProxy(child, network.socket);
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    // The program could not be started.
    child.on('error', () => resolve());
  });
  const streams = (child.stdio ?? []) as unknown as (Readable & Writable)[];
  for (const { fd, bytes } of data) {
    const pipe = pick(streams, fd);
    // A command that ends before it has read the data reports the reason itself.
    pipe.on('error', () => {});
    pipe.end(bytes);
  }
  for (const [name, from] of Object.entries(job.terminal ?? {}) as [keyof typeof terminalFds, Readable][]) {
    const pipe = pick(streams, terminalFds[name]);
    pipe.on('error', () => {}).resume();
    from.pipe(pipe);
  }
  return {
    child: { ended, kill: () => void child.kill('SIGKILL') },
    input: pick(streams, 0),
    log: pick(streams, 1),
    diagnostics: pick(streams, 2),
    status: pick(streams, driverFds.status),
    outputs: pick(streams, driverFds.outputs),
  };
}

/** Jobs start at different processors, so that small ones do not share one while others are idle. */
function processorsOf({ limits, variation }: SandboxJob, slot: number): number[] {
  const allowed = allowedProcessors();
  const wanted = variation?.processors ?? Math.ceil(limits.cpus);
  const count = Math.min(Math.max(1, wanted), allowed.length);
  return Array.from({ length: count }, (_, n) => allowed[(slot + n) % allowed.length] ?? 0);
}

function pick(stdio: (Readable & Writable)[], fd: number): Readable & Writable {
  const stream = stdio[fd];
  if (stream == null) throw new QuorateError('SANDBOX_SPAWN_FAILED', `no stream for descriptor ${fd}`);
  return stream;
}
