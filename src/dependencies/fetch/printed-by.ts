import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { fetchLimits } from './limits.ts';

/** The configuration that a package manager prints; undefined where it is not installed. Throws `DEPENDENCIES_CLIENT`. */
export async function printedBy(
  program: string,
  args: string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<string | undefined> {
  const options = {
    ...{ env, signal, cwd: '/', timeout: fetchLimits.clientMs, maxBuffer: fetchLimits.clientBytesMax },
  };
  try {
    const { stdout } = await promisify(execFile)(program, args, options);
    return stdout;
  } catch (cause) {
    signal.throwIfAborted();
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    const words = [program, ...args].join(' ');
    throw new QuorateError('DEPENDENCIES_CLIENT', `${words}: ${messageOf(cause)}`, { cause });
  }
}
