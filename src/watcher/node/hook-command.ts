import { type ChildProcess, spawn } from 'node:child_process';
import { messageOf } from '../../protocol/base/errors.ts';
import type { Outcome } from '../machine/hook-ledger.ts';
import { hookLimits } from '../machine/hook-limits.ts';

export interface HookCommand {
  /** Program and arguments; no shell reads them. */
  words: readonly string[];
  cwd: string;
  env: Readonly<Record<string, string | undefined>>;
  /** File descriptor of this process that its standard output goes to. */
  stdout: 1 | 2;
  timeoutMs: number;
  /** Ends it: SIGTERM, then SIGKILL. */
  signal: AbortSignal;
}

/** Runs a command in a process group of its own, all of which is ended when its time is up. Never throws. */
export async function runCommand(command: HookCommand): Promise<Outcome> {
  const { words, cwd, env, stdout, timeoutMs, signal } = command;
  const [program = '', ...args] = words;
  if (signal.aborted) return { kind: 'stopped' };
  let child: ChildProcess;
  try {
    child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', stdout, 2] });
  } catch (error) {
    return { kind: 'not-started', message: messageOf(error) };
  }
  const kill = (how: NodeJS.Signals) => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, how);
    } catch {
      // The process group has ended.
    }
  };
  let why: 'timeout' | 'stopped' | undefined;
  let killing: NodeJS.Timeout | undefined;
  const end = (reason: 'timeout' | 'stopped', killMs: number) => {
    why ??= reason;
    kill('SIGTERM');
    clearTimeout(killing);
    killing = setTimeout(() => kill('SIGKILL'), killMs);
  };
  const onAbort = () => end('stopped', hookLimits.stopKillMs);
  // A second Ctrl-C ends this process at once: the command does not outlive it.
  const onExit = () => kill('SIGKILL');
  const timer = setTimeout(() => end('timeout', hookLimits.killMs), timeoutMs);
  signal.addEventListener('abort', onAbort, { once: true });
  process.once('exit', onExit);
  try {
    const outcome = await new Promise<Outcome>((resolve) => {
      child.once('error', (error) => resolve({ kind: 'not-started', message: messageOf(error) }));
      child.once('exit', (code, by) =>
        resolve(by === null ? { kind: 'exit', code: code ?? 0 } : { kind: 'signal', signal: by }),
      );
    });
    // Processes that it left in its group end with it when it was to end.
    if (why !== undefined) kill('SIGKILL');
    return why === undefined || outcome.kind === 'not-started' ? outcome : { kind: why };
  } finally {
    clearTimeout(timer);
    clearTimeout(killing);
    signal.removeEventListener('abort', onAbort);
    process.off('exit', onExit);
  }
}
