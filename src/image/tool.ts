import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { hasCode, QuorateError } from '../protocol/base/errors.ts';
import { imageLimits } from './limits.ts';

/** A fixed UUID, so that the file is deterministic. */
const uuid = '00000000-0000-4000-8000-000000000000';

/** Writes a tar stream as an EROFS file system, deterministically, over an existing file. @throws IMAGE_TOOL_MISSING, IMAGE_TOOL_FAILED */
export function makeErofs(tar: Readable, file: string, signal: AbortSignal): Promise<void> {
  return runTool({
    name: 'mkfs.erofs',
    command: ['mkfs.erofs', '--quiet', '--tar=f', '-zlz4', '-T0', `-U${uuid}`, '--all-root', file],
    package: 'erofs-utils',
    input: tar,
    signal,
  });
}

export interface Tool {
  name: string;
  command: readonly string[];
  /** Its Debian package, for the hint. */
  package: string;
  input?: Readable;
  onLine?: (line: string) => void;
  signal: AbortSignal;
}

const stopMsMax = 10_000;
const keptLines = 8;
const lineCharsMax = 400;

/** Runs a program in a process group of its own. @throws IMAGE_TOOL_MISSING, IMAGE_TOOL_FAILED, and what the input throws */
export async function runTool({ name, command, input, onLine, signal, ...tool }: Tool): Promise<void> {
  const [program = '', ...args] = command;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(imageLimits.makeSecondsMax * 1000)]);
  limit.throwIfAborted();
  const missing = (cause?: unknown) =>
    new QuorateError('IMAGE_TOOL_MISSING', `${name} is not installed`, {
      hint: `apt-get install ${tool.package}`,
      cause,
    });
  const last: string[] = [];
  // A process group of its own, so that its children can be killed with it.
  const child = spawn(program, args, { cwd: '/', detached: true, stdio: ['pipe', 'ignore', 'pipe'] });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code));
  });
  ended.catch(() => {});
  const kill = (how: NodeJS.Signals): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, how);
    } catch {
      // The process group has ended.
    }
  };
  let killing: NodeJS.Timeout | undefined;
  const stop = (): void => {
    kill('SIGTERM');
    killing = setTimeout(() => kill('SIGKILL'), stopMsMax);
  };
  limit.addEventListener('abort', stop, { once: true });
  let rest = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split(/[\r\n]+/);
    rest = (lines.pop() ?? '').slice(-lineCharsMax);
    for (const line of lines.filter((one) => one.trim() !== '').map((one) => one.slice(0, lineCharsMax))) {
      last.push(line);
      if (last.length > keptLines) last.shift();
      onLine?.(line);
    }
  });
  try {
    const fed = input === undefined ? child.stdin.end() : pipeline(input, child.stdin);
    const feeding = Promise.resolve(fed).catch((error: unknown) => {
      // A program may end before it has read all input; its exit status decides.
      if (hasCode(error, 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE')) return;
      stop();
      throw error;
    });
    const [code] = await Promise.all([ended, feeding]);
    signal.throwIfAborted();
    if (code === 0) return;
    // Exit status of env(1) for a command that was not found.
    if (code === 127) throw missing();
    const why = limit.aborted ? `took over ${imageLimits.makeSecondsMax} s` : [...last, rest].join(' | ');
    throw new QuorateError('IMAGE_TOOL_FAILED', `${name} failed: ${why.slice(0, 1500) || `exit ${code}`}`, {
      hint: 'The message is the output of the program: look for a line that begins with E: or error.',
    });
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    throw missing(error);
  } finally {
    clearTimeout(killing);
    limit.removeEventListener('abort', stop);
  }
}
