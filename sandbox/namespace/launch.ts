import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { QuorateError } from '../../src/core/errors.ts';
import type { SandboxJob } from '../types.ts';
import { bwrapCall } from './arguments.ts';
import { driverCommand, driverFds } from './driver.ts';
import type { Guards } from './guards.ts';
import { findTool, firstProcessor } from './host.ts';

/** The build gives way to everything else on the machine, where no cpu controller already sees to it. */
const NICENESS = 10;

/**
 * Closes what the worker itself inherited from whoever started it (an open folder of the host would be a way out), joins
 * the groups (writing 0 moves the writer itself) and becomes the command. bash, because dash cannot name descriptor 10.
 */
const enterScript = `
set -eu
keep=$1 groups=$2; shift 2
for path in /proc/self/fd/*; do
  fd=\${path##*/}
  if [ "$fd" -ge "$keep" ]; then eval "exec $fd>&-"; fi
done
while [ "$groups" -gt 0 ]; do echo 0 > "$1/cgroup.procs"; shift; groups=$((groups - 1)); done
exec "$@"
`;

export interface Launched {
  readonly child: ChildProcess;
  readonly input: Writable;
  readonly log: Readable;
  /** bwrap's and the set-up's complaints. */
  readonly complaints: Readable;
  readonly status: Readable;
  readonly outputs: Readable;
}

/**
 * Starts bwrap inside the job's groups: a shell puts itself there and then becomes bwrap, so no instruction of the build
 * runs outside of them. As root the way leads over an unprivileged uid, so that the build's uid 1000 is not the host's 0.
 */
export function launch(
  guards: Guards,
  job: SandboxJob,
  directories: readonly string[],
  uid: number | undefined,
): Launched {
  const firstFd = driverFds.outputs + 1;
  const { args, data } = bwrapCall(guards, job, firstFd);
  const drop =
    uid === undefined ? [] : [tool('setpriv'), `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--'];
  const only =
    job.variation?.oneProcessor === true ? [tool('taskset'), '--cpu-list', String(firstProcessor())] : [];
  const command = [
    ...[tool('nice'), '-n', String(NICENESS), ...only, ...drop, tool('bwrap'), ...args],
    ...['--', ...driverCommand(job, guards.stepPrefix())],
  ];
  const stdio = Array.from({ length: firstFd + data.length }, () => 'pipe' as const);
  const child = spawn(
    tool('bash'),
    [
      // With a socket as standard input it takes itself for a remote shell and would read the user's own start-up file.
      '--norc',
      '-c',
      enterScript,
      'quorate-enter',
      String(stdio.length),
      String(directories.length),
      ...directories,
      ...command,
    ],
    { cwd: '/', env: {}, stdio },
  );
  // The caller listens too; without this an early failure to spawn would end the worker.
  child.on('error', () => {});
  const streams = (child.stdio ?? []) as unknown as (Readable & Writable)[];
  for (const { fd, bytes } of data) {
    const pipe = pick(streams, fd);
    // bwrap that ends before it read this says why on its own.
    pipe.on('error', () => {});
    pipe.end(bytes);
  }
  return {
    child,
    input: pick(streams, 0),
    log: pick(streams, 1),
    complaints: pick(streams, 2),
    status: pick(streams, driverFds.status),
    outputs: pick(streams, driverFds.outputs),
  };
}

function pick(stdio: (Readable & Writable)[], fd: number): Readable & Writable {
  const stream = stdio[fd];
  if (stream == null) throw new QuorateError('SANDBOX_SPAWN_FAILED', `no stream for descriptor ${fd}`);
  return stream;
}

function tool(name: string): string {
  const path = findTool(name);
  if (path === undefined) {
    throw new QuorateError('SANDBOX_UNAVAILABLE', `${name} was not found`, {
      hint: 'start again: the probe then names what is missing and the command that brings it',
    });
  }
  return path;
}
