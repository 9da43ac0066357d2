import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { QuorateError } from '../../src/core/errors.ts';
import { allowedProcessors, requireTool } from '../host.ts';
import { bridgeToProxy, inNetworkNamespace } from '../net/proxy-bridge.ts';
import type { SandboxJob } from '../types.ts';
import { driverFds, terminalFds } from './driver.ts';
import { buildProcessLimits, type ProcessLimits, prlimit } from './process-limits.ts';

/** The build gives way to everything else on the machine, where no cpu controller already sees to it. */
const NICENESS = 10;

/** Of a machine that runs out of memory the build is what the kernel ends first (proc_pid_oom_score_adj(5)). */
const OOM_SCORE = 1000;

/** The first descriptor a tier may use for data of its own; below are the driver's. */
export const firstFreeFd = driverFds.outputs + 1;

/** The same in a tier that has terminals. */
export const firstFreeFdFor = ({ terminal }: Pick<SandboxJob, 'terminal'>): number =>
  terminal === undefined ? firstFreeFd : terminalFds.sizes + 1;

/**
 * Closes what the worker itself inherited from whoever started it (an open folder of the host would be a way out), joins
 * the groups (writing 0 moves the writer itself) and becomes the command. bash, because dash cannot name descriptor 10.
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

/** A build that has been started: its driver (see driver.ts) speaks on these, whatever is between it and us. */
export interface BuildProcess {
  /** When it ends, so has all of the build. */
  readonly child: { readonly ended: Promise<void>; kill(): void };
  /** Source and inputs. */
  readonly input: Writable;
  readonly log: Readable;
  /** Of the tier's own tools and the set-up. */
  readonly diagnostics: Readable;
  readonly status: Readable;
  readonly outputs: Readable;
  /** Removes what the tier itself left on the disk, once no process of it is alive. */
  readonly cleanUp?: () => Promise<void>;
  /** The build stands still, or goes on: so must time limits of the tier's own. */
  pause?(paused: boolean): void;
}

export interface Start {
  /** Where it has a network, the command is in a network namespace whose loopback has the way out on it. */
  readonly job: SandboxJob;
  /** Groups to be in before the first instruction. */
  readonly directories: readonly string[];
  /** Tells jobs apart that run at the same time. */
  readonly slot: number;
  /** Has the driver's descriptors 0 to 4 and those of `data`, and no other. */
  readonly command: readonly string[];
  readonly data?: readonly { fd: number; bytes: Uint8Array }[];
  readonly processLimits?: ProcessLimits;
}

/**
 * Starts a command inside the job's groups: a shell puts itself there and then becomes the command, so no instruction of
 * the build runs outside of them. It gets as many processors as the job asked for to run on, so that each machine
 * shows a build as many.
 */
export function startInCgroups({
  job,
  directories,
  slot,
  command,
  data = [],
  processLimits = buildProcessLimits,
}: Start): BuildProcess {
  const stdio = Array.from({ length: firstFreeFdFor(job) + data.length }, () => 'pipe' as const);
  const enter = [
    requireTool('bash'),
    // With a socket as standard input it takes itself for a remote shell and would read the user's own start-up file.
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
    // It could not even be started.
    child.on('error', () => resolve());
  });
  const streams = (child.stdio ?? []) as unknown as (Readable & Writable)[];
  for (const { fd, bytes } of data) {
    const pipe = pick(streams, fd);
    // A command that ends before it read this says why on its own.
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

/** Different jobs begin at different processors, so that a few small ones do not share one while others are idle. */
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
