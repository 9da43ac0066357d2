import { spawn } from 'node:child_process';
import type { Duplex, Readable, Writable } from 'node:stream';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import { sharedSpawner } from '../native/spawner.ts';
import { bridgeToProxy, inNetworkNamespace } from '../net/proxy-bridge.ts';
import type { SandboxJob } from '../types.ts';
import { driverFds, terminalFds } from './driver.ts';
import { enterByTools, enterNatively, processorsOf } from './enter.ts';
import type { ProcessLimits } from './process-limits.ts';

/** The first descriptor that a tier may use for its own data; those below are the driver's. */
export const firstFreeFd = driverFds.outputs + 1;

/** The same in a tier that supports terminals. */
export const firstFreeFdFor = ({ terminal }: Pick<SandboxJob, 'terminal'>): number =>
  terminal === undefined ? firstFreeFd : terminalFds.sizes + 1;

/** A started build: the streams to and from its driver (see driver.ts), whatever lies between it and this process. */
export interface BuildProcess {
  /** When it has ended, no process of the build is left. */
  readonly child: { readonly ended: Promise<unknown>; kill(): void };
  /** Takes source and inputs as one tar stream, after the job where that is read (jobMessage). */
  readonly input: Writable;
  /** Whether the first process reads its job; else it has the job as its arguments. */
  readonly readsJob: boolean;
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
  /** Of the command's process and all that it starts. */
  readonly limits: ReturnType<ProcessLimits>;
  /** Path of the native program, found by the command at `selfFd`. Absent: tools of the host take its place. */
  readonly native?: string | undefined;
}

/** The descriptor at which a command finds the native program, after its data. */
export const selfFd = (job: Pick<SandboxJob, 'terminal'>, data: readonly unknown[]): number =>
  firstFreeFdFor(job) + data.length;

/**
 * Starts a command inside of the job's cgroups: its process joins them and then executes the command, so no instruction of the
 * build runs outside. The command may run on as many processors as the job asks for, so that a build sees the same number
 * on every host. @throws SANDBOX_FAILED
 */
export function startInCgroups(options: StartOptions): BuildProcess {
  const { job, directories, slot, command, data = [], limits, native } = options;
  const stdio = Array.from({ length: selfFd(job, data) }, () => 'pipe' as const);
  const entering = { keep: stdio.length, directories, processors: processorsOf(job, slot), limits };
  const prefix = native === undefined ? enterByTools(entering) : enterNatively(native, entering);
  const enter = [...prefix, ...command];
  const spawner = job.network === undefined && native !== undefined ? sharedSpawner(native) : undefined;
  const { streams, ended, kill } =
    spawner?.start({ words: enter, folder: '/' }, stdio.length) ?? startByNode(job, enter, stdio);
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
    child: { ended, kill },
    input: pick(streams, 0),
    readsJob: native !== undefined,
    log: pick(streams, 1),
    diagnostics: pick(streams, 2),
    status: pick(streams, driverFds.status),
    outputs: pick(streams, driverFds.outputs),
  };
}

/** Where the native program starts none, or the process has a channel to its proxy. */
function startByNode({ network }: SandboxJob, enter: readonly string[], stdio: 'pipe'[]) {
  const [file = '', ...words] = network === undefined ? enter : inNetworkNamespace(enter);
  const channels = network === undefined ? stdio : [...stdio, 'ipc' as const];
  const child = spawn(file, words, { cwd: '/', env: {}, stdio: channels });
  if (network !== undefined) bridgeToProxy(child, network.socket);
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    // The program could not be started.
    child.on('error', () => resolve());
  });
  return { streams: child.stdio as unknown as Duplex[], ended, kill: () => void child.kill('SIGKILL') };
}

function pick(stdio: readonly Duplex[], fd: number): Duplex {
  const stream = stdio[fd];
  if (stream == null) throw new QuorateError('SANDBOX_FAILED', `no stream for descriptor ${fd}`);
  return stream;
}
