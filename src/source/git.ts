import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, QuorateError } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import { shellWord } from '../protocol/base/shell-word.ts';
import type { SourceErrorCode } from './error-codes.ts';
import { GitFailed } from './git-failed.ts';
import { sourceLimits } from './limits.ts';
import { type GitProtocol, visible } from './url.ts';

export interface GitOptions {
  signal?: AbortSignal | undefined;
  seconds?: number | undefined;
  /** Additional environment: PATH if git is elsewhere, SSH_AUTH_SOCK for ssh. */
  env?: Record<string, string> | undefined;
  /** Wraps a command, for example to run it in a sandbox that has access to its folders. */
  wrap?: ((command: string[], reach: GitAccess) => string[]) | undefined;
  /** Starts a command in a session of its own, with no more environment than `variables`. Default: this process does. */
  start?: StartCommand | undefined;
}

export type StartCommand = (
  words: readonly string[],
  folder: string,
  variables: Readonly<Record<string, string>>,
) => StartedCommand;

export interface StartedCommand {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** `code` is null where a signal ended it. @throws that it could not be started. */
  readonly ended: Promise<{ code: number | null }>;
  /** Ends the whole session (SIGKILL). */
  kill(): void;
}

/** Network access of a command: `server` for fetch and ls-remote, `nothing` for others. */
export type GitAccess = 'server' | 'nothing';

export interface RunOptions extends GitOptions {
  cwd: string;
  /** The command's standard input; empty where it is absent. Destroyed when the command has ended. Its error ends the command, and is thrown. */
  input?: Readable | undefined;
  /** A process that was started before, in place of the command. */
  started?: StartedCommand | undefined;
  /** Default: nothing. */
  reach?: GitAccess | undefined;
  /** Reads standard output, which is not returned then. If it rejects, git is killed. */
  read?: ((output: Readable) => Promise<void>) | undefined;
  /** Polled every 100 ms. A changed number resets the idle time; a rejection kills git and is thrown. */
  watch?: (() => Promise<number>) | undefined;
}

const pollMs = 100;
const outputBytesMax = 1024 * 1024;
const stderrBytesMax = 4096;
/** Limit on the address space of each git process, in KiB: refs and objects sent by a server are held in memory. */
const memoryKib = 4 * 1024 * 1024;

/** Configuration that replaces the host's and the user's, and disables features that a repository could control. */
function settings(protocol: GitProtocol | undefined): string[] {
  const pairs = [
    'protocol.allow=never',
    ...(protocol === undefined ? [] : [`protocol.${protocol}.allow=always`]),
    'core.hooksPath=/dev/null',
    'core.attributesFile=/dev/null',
    'core.excludesFile=/dev/null',
    'core.fsmonitor=false',
    'core.autocrlf=false',
    'core.eol=lf',
    'core.symlinks=true',
    'core.fileMode=true',
    'core.protectHFS=true',
    'core.protectNTFS=true',
    'core.alternateRefsCommand=',
    'credential.helper=',
    'transfer.fsckObjects=true',
    // A pack file instead of loose objects, so that its growth can be measured.
    'transfer.unpackLimit=1',
    'transfer.bundleURI=false',
    'submodule.recurse=false',
    'fetch.recurseSubmodules=false',
    'gc.auto=0',
    'maintenance.auto=false',
    // Files of this repository serve one checkout: they need not survive a power failure.
    'core.fsync=none',
    // A redirect could lead to a host that the charter does not list.
    'http.followRedirects=false',
    'http.lowSpeedLimit=1',
    `http.lowSpeedTime=${limits.gitIdleSecondsMax}`,
    'advice.detachedHead=false',
  ];
  return pairs.flatMap((pair) => ['-c', pair]);
}

const environment: Record<string, string> = {
  PATH: '/usr/local/bin:/usr/bin:/bin',
  HOME: '/nonexistent',
  LC_ALL: 'C',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_NO_REPLACE_OBJECTS: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_ASKPASS: '/bin/false',
  SSH_ASKPASS: '/bin/false',
  GIT_SSH_COMMAND: 'ssh -F /dev/null -oBatchMode=yes -oStrictHostKeyChecking=yes -oClearAllForwardings=yes',
};

/** Runs git with the settings above. @throws as `run` */
export function git(protocol: GitProtocol | undefined, args: string[], options: RunOptions): Promise<string> {
  return gitInTurn(protocol, [args], options);
}

/** Runs git several times in one group, wrapped once. A busy server that soon drops the connection is asked again. @throws as `run` */
export async function gitInTurn(
  protocol: GitProtocol | undefined,
  calls: readonly string[][],
  options: RunOptions,
): Promise<string> {
  const env = { ...environment, ...options.env };
  for (let tries = 1; ; tries++) {
    const started = performance.now();
    try {
      return await run(gitScript(protocol, calls), { ...options, env });
    } catch (error) {
      const isSoon = performance.now() - started < sourceLimits.dropMsMax;
      const isDropped = error instanceof GitFailed && error.isDropped && options.reach === 'server';
      if (!isDropped || !isSoon || tries >= sourceLimits.triesMax) throw error;
      const ms = sourceLimits.retryMs * 2 ** (tries - 1) * (0.5 + Math.random());
      await sleep(ms, undefined, { signal: options.signal }).catch(() => options.signal?.throwIfAborted());
    }
  }
}

export function gitScript(protocol: GitProtocol | undefined, calls: readonly string[][]): string[] {
  const command = ['git', '--no-pager', ...settings(protocol)];
  const lines = calls.map((args) => [...command, ...args].map(shellWord).join(' '));
  const last = lines.pop() ?? '';
  // A limit of the shell applies to git and all its children.
  const script = [
    `ulimit -v ${memoryKib} 2>/dev/null; set -e`,
    ...lines.map((line) => `${line} >/dev/null`),
    `exec ${last}`,
  ].join('\n');
  return ['/bin/sh', '-c', script];
}

export function startGit(
  command: string[],
  options: Pick<RunOptions, 'wrap' | 'start' | 'env' | 'cwd'>,
): StartedCommand {
  return startCommand(command, { ...options, env: { ...environment, ...options.env } });
}

/** Runs a script of sh(1) in a folder, with the limits and the environment of git. @throws as `run` */
export function runScript(
  folder: string,
  script: string,
  args: string[],
  options: RunOptions,
): Promise<string> {
  const whole = `ulimit -v ${memoryKib} 2>/dev/null; set -e; cd "$0"\n${script}`;
  const env = { ...environment, ...options.env };
  return run(['/bin/sh', '-c', whole, folder, ...args], { ...options, env });
}

/**
 * Runs a command in a process group of its own, killed on a time limit, the signal, or a rejected callback. Returns up to 1 MiB of its output.
 * @throws SOURCE_TIMEOUT, SOURCE_STALLED, SOURCE_SERVER_ERROR (more output), SOURCE_GIT_MISSING, GitFailed, as callbacks and signal
 */
export async function run(command: string[], options: RunOptions): Promise<string> {
  options.signal?.throwIfAborted();
  const child = options.started ?? startCommand(command, options);
  if (options.input === undefined) child.stdin.end();
  let failure: { error: unknown } | undefined;
  const kill = (): void => {
    // Otherwise a slow reader would delay the end of the process.
    child.stdout.destroy();
    child.kill();
  };
  const stop = (error: unknown): void => {
    failure ??= { error };
    kill();
  };
  const seconds = options.seconds ?? limits.gitSecondsMax;
  const { gitIdleSecondsMax: idleSeconds } = limits;
  const deadline = setTimeout(
    () => stop(tooSlow('SOURCE_TIMEOUT', `git took over ${seconds} s`)),
    seconds * 1000,
  );
  // The command may end without having read all of it, and then says why.
  child.stdin.on('error', () => options.input?.destroy());
  options.input?.once('error', stop).pipe(child.stdin);
  const onAbort = (): void => stop(options.signal?.reason);
  options.signal?.addEventListener('abort', onAbort, { once: true });

  let lastLife = performance.now();
  let output = '';
  let stderr = '';
  let unread: { error: unknown } | undefined;
  const reading = options.read?.(child.stdout).catch((error: unknown) => {
    // If git has failed itself, its error is more precise than the reader's error about truncated output.
    if (child.stdout.readableEnded) unread = { error };
    else stop(error);
  });
  if (reading === undefined) {
    child.stdout.on('data', (chunk: Buffer) => {
      lastLife = performance.now();
      output += chunk.toString('utf8');
      if (output.length > outputBytesMax)
        stop(tooSlow('SOURCE_SERVER_ERROR', 'the answer of git is over 1 MiB'));
    });
  }
  child.stderr.on('data', (chunk: Buffer) => {
    lastLife = performance.now();
    stderr = (stderr + chunk.toString('utf8')).slice(-stderrBytesMax);
  });

  let before: number | undefined;
  let looking: Promise<void> | undefined;
  const look = async (): Promise<void> => {
    const now = await options.watch?.();
    if (now !== before) lastLife = performance.now();
    before = now;
    if (performance.now() - lastLife > idleSeconds * 1000) {
      stop(tooSlow('SOURCE_STALLED', `the server sent nothing for ${idleSeconds} s`));
    }
  };
  const timer = setInterval(() => {
    looking ??= look()
      .catch(stop)
      .finally(() => {
        looking = undefined;
      });
  }, pollMs);

  const code = await endOf(child).catch((cause: unknown) => {
    failure ??= {
      error: new QuorateError('SOURCE_GIT_MISSING', `cannot run ${command[0]}: ${messageOf(cause)}`, {
        hint: 'Install git and make sure that it is in the PATH.',
        cause,
      }),
    };
    return null;
  });
  options.input?.destroy();
  clearInterval(timer);
  clearTimeout(deadline);
  options.signal?.removeEventListener('abort', onAbort);
  await looking;
  await reading;
  if (failure !== undefined) throw failure.error;
  if (code !== 0) throw new GitFailed(code, visible(stderr).trim());
  if (unread !== undefined) throw unread.error;
  return output;
}

function startCommand(
  command: string[],
  { wrap, reach = 'nothing', start = startHere, cwd, env = {} }: RunOptions,
): StartedCommand {
  return start(wrap?.(command, reach) ?? command, cwd, env);
}

/** The code of a command, once it has ended and what it wrote is read. */
async function endOf({ ended, stdout, stderr }: StartedCommand): Promise<number | null> {
  // The output of a killed command is not read to its end.
  const read = [stdout, stderr].map((stream) => finished(stream, { writable: false }).catch(() => {}));
  const { code } = await ended;
  await Promise.all(read);
  return code;
}

/** Node finds the program in the PATH of this process's, or of the command's, environment. */
const startHere: StartCommand = ([file = '', ...args], cwd, env) => {
  const child = spawn(file, args, { cwd, env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = new Promise<{ code: number | null }>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve({ code }));
  });
  // Where a pipe cannot be made Node gives the process no streams, and says why later.
  if (child.pid === undefined && !Array.isArray(child.stdio)) {
    ended.catch(() => {});
    throw new QuorateError('SOURCE_GIT_MISSING', `cannot run ${file}: no stream to it can be opened`, {
      hint: 'Too many files are open: raise the limit of file descriptors (ulimit -n).',
    });
  }
  const kill = (): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // The process group has ended.
    }
  };
  return { stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, ended, kill };
};

const tooSlow = (code: SourceErrorCode, message: string): QuorateError =>
  new QuorateError(code, message, {
    hint: 'Try again later, and look at the load of the server.',
  });
