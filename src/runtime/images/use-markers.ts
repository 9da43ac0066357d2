import { randomUUID } from 'node:crypto';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** `using-<pid>-<unique>` in an image's folder: a process that uses it, of however many there are on the machine. */
const pattern = /^using-(\d{1,10})-/;

/** One use of an image's folder. */
export class UseMarker {
  readonly #dir: string;
  readonly #name = `using-${process.pid}-${randomUUID()}`;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** False where there is no such folder yet. May be repeated. */
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

/** Whether a process that is alive uses the folder; what dead ones left there is removed. */
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

/** Begins the name of a folder that this process works in. What is in there is nobody else's to remove. */
export const scratchName = (prefix: string): string => `${prefix}${process.pid}-`;

/** Whether a folder so named was left by a process that is gone. */
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
