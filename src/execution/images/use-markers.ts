import { randomUUID } from 'node:crypto';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Name of a marker file in an image's folder: `using-<pid>-<unique>`, one per use. */
const pattern = /^using-(\d{1,10})-/;

/** Marks an image's folder as in use by this process. */
export class UseMarker {
  readonly #dir: string;
  readonly #name = `using-${process.pid}-${randomUUID()}`;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Writes the marker; may be repeated. Returns false if the folder does not exist. */
  async hold(): Promise<boolean> {
    try {
      await writeFile(join(this.#dir, this.#name), '');
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    }
  }

  release(): Promise<void> {
    return rm(join(this.#dir, this.#name), { force: true });
  }
}

/** Whether a living process uses the folder. Removes markers of dead processes. */
export async function isInUse(dir: string): Promise<boolean> {
  let held = false;
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  for (const name of names) {
    const pid = Number(pattern.exec(name)?.[1] ?? 0);
    if (pid === 0) continue;
    if (isAlive(pid)) held = true;
    else await rm(join(dir, name), { force: true });
  }
  return held;
}

/** Prefix of the name of a temporary folder of this process, which other processes do not remove. */
export const scratchName = (prefix: string): string => `${prefix}${process.pid}-`;

/** Whether a name is that of a temporary folder whose process has ended. */
export function isAbandoned(name: string, prefix: string): boolean {
  if (!name.startsWith(prefix)) return false;
  const [, pid] = /^(\d{1,10})-/.exec(name.slice(prefix.length)) ?? [];
  return pid === undefined || !isAlive(Number(pid));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
