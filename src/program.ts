import { fstatSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The version in the nearest package.json above this file, whose depth differs between a checkout and a package. */
export function version(): string {
  for (let folder = import.meta.dirname; dirname(folder) !== folder; folder = dirname(folder)) {
    const found = versionIn(join(folder, 'package.json'));
    if (found !== undefined) return found;
  }
  return 'unknown';
}

function versionIn(file: string): string | undefined {
  try {
    const { name, version } = JSON.parse(readFileSync(file, 'utf8'));
    return name === 'quorate' && typeof version === 'string' ? version : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether standard output is the stream that journald gave to this service.
 * @param stream `JOURNAL_STREAM` of the environment: device and inode (systemd.exec(5))
 */
export function isJournal(stream: string | undefined): boolean {
  if (stream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(1, { bigint: true });
    return stream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}
