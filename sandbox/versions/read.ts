import { execFile } from 'node:child_process';
import { release, version } from 'node:os';
import { promisify } from 'node:util';
import { readOptional } from '../files.ts';
import { findTool } from '../host.ts';
import { sandboxLimits } from '../limits.ts';
import type { Part, Version } from './minimum.ts';

/** The version that a component reports. */
export interface ReportedVersion {
  /** The report, in one line. */
  readonly text: string;
  /** Undefined if it cannot be compared: a version scheme of the distribution. */
  readonly version: Version | undefined;
}

/** The program of each component but the kernel. */
export const programs: Readonly<Record<Exclude<Part, 'kernel'>, string>> = {
  bubblewrap: 'bwrap',
  runsc: 'runsc',
  qemu: process.arch === 'arm64' ? 'qemu-system-aarch64' : 'qemu-system-x86_64',
};

/** Reads the version of a component; undefined if it is not installed. Rejects if the program fails or times out. */
export async function readVersion(part: Part): Promise<ReportedVersion | undefined> {
  if (part === 'kernel') {
    return kernelVersion({
      release: release(),
      version: version(),
      signature: readOptional('/proc/version_signature')?.trim(),
    });
  }
  const path = findTool(programs[part]);
  if (path === undefined) return undefined;
  const { stdout } = await promisify(execFile)(path, ['--version'], {
    timeout: sandboxLimits.toolMs,
    env: {},
  });
  return programVersion(part, stdout);
}

/** Parses the output of `--version`. */
export function programVersion(part: Exclude<Part, 'kernel'>, said: string): ReportedVersion {
  const text = said.split('\n')[0]?.trim() ?? '';
  // A date and a counter: `0.0~20240729.0` from Debian, `release-20240729.0` upstream.
  const pattern = part === 'runsc' ? /\b(\d{8})\b/ : /(\d+)\.(\d+)(?:\.(\d+))?/;
  return { text, version: numbers(pattern.exec(text)) };
}

/**
 * The upstream release of the running kernel. Distributions keep the ABI name in uname's release while the source moves on:
 * Debian's is in uname's version (`… Debian 6.1.119-1 …`), Ubuntu's in /proc/version_signature (`… 5.15.131`).
 */
export function kernelVersion(said: {
  release: string;
  version: string;
  signature: string | undefined;
}): ReportedVersion {
  const text = said.release;
  const debian = /\bDebian (\d+)\.(\d+)\.(\d+)/.exec(said.version);
  const ubuntu = /(\d+)\.(\d+)\.(\d+)\s*$/.exec(said.signature ?? '');
  const own = /^(\d+)\.(\d+)\.(\d+)/.exec(said.release);
  if (debian !== null || ubuntu !== null) return { text, version: numbers(debian ?? ubuntu) };
  // Red Hat's 5.14.0-427.el9 and Ubuntu's 5.15.0-91-generic: the third number is fixed at 0.
  const still = own?.[3] === '0' && /^\d+\.\d+\.0-/.test(said.release);
  return { text, version: still ? undefined : numbers(own) };
}

function numbers(match: RegExpExecArray | null): Version | undefined {
  return match?.slice(1).map((number) => Number(number ?? 0));
}
