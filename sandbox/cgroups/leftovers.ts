import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, isAbsolute, join } from 'node:path';
import { destroyGroups } from './group.ts';

/** Every group a job gets bears this name, so that the sweep touches nothing else whatever a note says. */
export const groupPrefix = 'quorate-job-';

const removal = { recursive: true, force: true, maxRetries: 3 } as const;

/** Who runs a job. A pid alone is reused; with its start time it is not. */
interface Note {
  pid: number;
  started: string;
  directories: string[];
}

/** Where a job's tier may keep files while it runs; it makes the folder itself. Gone with the job, or with the next start. */
export function jobFolder(directory: string, name: string): string {
  return join(directory, name);
}

/**
 * Written before a job's groups are made and removed after them: the processes of a killed worker die with it, the
 * groups do not.
 */
export function recordJob(directory: string, name: string, directories: readonly string[]): () => void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, `${name}.json`);
  const note: Note = {
    pid: process.pid,
    started: startTime(process.pid) ?? '',
    directories: [...directories],
  };
  writeFileSync(file, JSON.stringify(note));
  return () => {
    rmSync(jobFolder(directory, name), removal);
    rmSync(file, { force: true });
  };
}

/** Removes what jobs of dead processes left. Returns how many there were. */
export async function sweepLeftovers(directory: string): Promise<number> {
  let swept = 0;
  for (const entry of list(directory)) {
    const file = join(directory, entry);
    const note = readNote(file);
    if (note !== undefined && startTime(note.pid) === note.started) continue;
    if (note !== undefined) await destroyGroups(note.directories);
    rmSync(jobFolder(directory, basename(entry, '.json')), removal);
    rmSync(file, { force: true });
    swept++;
  }
  return swept;
}

/** An unreadable note was cut short before its groups were made. */
function readNote(file: string): Note | undefined {
  try {
    const { pid, started, directories } = JSON.parse(readFileSync(file, 'utf8')) as Note;
    const ours = (path: string) => isAbsolute(path) && basename(path).startsWith(groupPrefix);
    return { pid: Number(pid), started: String(started), directories: directories.filter(ours) };
  } catch {
    return undefined;
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => name.startsWith(groupPrefix) && name.endsWith('.json'));
  } catch {
    return [];
  }
}

/** Field 22 of /proc/<pid>/stat, clock ticks since boot; undefined for a process that is gone. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
