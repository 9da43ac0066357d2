import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { release, version } from 'node:os';
import { promisify } from 'node:util';
import { findTool } from '../host.ts';
import { sandboxLimits } from '../limits.ts';
import type { Part, Version } from './minimum.ts';

/** What a part says of itself. */
export interface ReportedVersion {
  /** In one line. */
  readonly text: string;
  /** Undefined where what it says cannot be compared: a distribution's own numbers. */
  readonly version: Version | undefined;
}

/** The program of each part that is one, by its names on the processors served. */
export const programs: Readonly<Record<Exclude<Part, 'kernel'>, string>> = {
  bubblewrap: 'bwrap',
  runsc: 'runsc',
  qemu: process.arch === 'arm64' ? 'qemu-system-aarch64' : 'qemu-system-x86_64',
};

/** Undefined where there is no such program. Rejects when it does not answer. */
export async function readVersion(part: Part): Promise<ReportedVersion | undefined> {
  if (part === 'kernel') {
    return kernelVersion({
      release: release(),
      version: version(),
      signature: readIfThere('/proc/version_signature'),
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

export function programVersion(part: Exclude<Part, 'kernel'>, said: string): ReportedVersion {
  const text = said.split('\n')[0]?.trim() ?? '';
  // A date and what was made that day: 0.0~20240729.0 of Debian's, release-20240729.0 of its makers'.
  const pattern = part === 'runsc' ? /\b(\d{8})\b/ : /(\d+)\.(\d+)(?:\.(\d+))?/;
  return { text, version: numbers(pattern.exec(text)) };
}

/**
 * Distributions name a kernel after the interface it keeps, which stays while the release beneath it moves on: Debian's
 * release is in its version (`… Debian 6.1.119-1 …`), Ubuntu's in a file of its own (`… 5.15.131`), others say nothing.
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
  // Red Hat's 5.14.0-427.el9 and Ubuntu's 5.15.0-91-generic: the last number stands still.
  const still = own?.[3] === '0' && /^\d+\.\d+\.0-/.test(said.release);
  return { text, version: still ? undefined : numbers(own) };
}

function numbers(match: RegExpExecArray | null): Version | undefined {
  return match?.slice(1).map((number) => Number(number ?? 0));
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}
