import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, isAbsolute, join } from 'node:path';
import { listOptional, readOptional } from '../files.ts';
import { destroyGroups } from './group.ts';

/** Prefix of all cgroup names of jobs. The clean-up removes no cgroup of another name, whatever a record says. */
export const groupPrefix = 'quorate-job-';

const removal = { recursive: true, force: true, maxRetries: 3 } as const;

/** The process that runs a job, and the job's cgroups. Start time and pid together identify a process; pids are reused. */
interface JobRecord {
  pid: number;
  started: string;
  directories: string[];
}

/** Folder for files of a job's tier, which creates it. Removed after the job, or after a crash at the next start. */
export function jobFolder(directory: string, name: string): string {
  return join(directory, name);
}

/** Records a job before its cgroups are created, which remain when the worker is killed. Returns how to remove the record. */
export function recordJob(directory: string, name: string, directories: readonly string[]): () => void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, `${name}.json`);
  const { pid } = process;
  const record: JobRecord = { pid, started: startTime(pid) ?? '', directories: [...directories] };
  writeFileSync(file, JSON.stringify(record));
  return () => {
    rmSync(jobFolder(directory, name), removal);
    rmSync(file, { force: true });
  };
}

/** Removes cgroups and files of jobs whose process has ended. Returns their number. @throws SANDBOX_CLEANUP_FAILED */
export async function sweepLeftovers(directory: string): Promise<number> {
  let swept = 0;
  for (const entry of listOptional(directory)) {
    if (!entry.startsWith(groupPrefix) || !entry.endsWith('.json')) continue;
    const file = join(directory, entry);
    const record = readRecord(file);
    if (record !== undefined && startTime(record.pid) === record.started) continue;
    if (record !== undefined) await destroyGroups(record.directories);
    rmSync(jobFolder(directory, basename(entry, '.json')), removal);
    rmSync(file, { force: true });
    swept++;
  }
  return swept;
}

/** Undefined for a record that cannot be parsed: the crash came before its cgroups were created. */
function readRecord(file: string): JobRecord | undefined {
  try {
    const { pid, started, directories } = JSON.parse(readFileSync(file, 'utf8')) as JobRecord;
    const ours = (path: string) => isAbsolute(path) && basename(path).startsWith(groupPrefix);
    return { pid: Number(pid), started: String(started), directories: directories.filter(ours) };
  } catch {
    return undefined;
  }
}

/** Start time in clock ticks since boot: field 22 of /proc/<pid>/stat (proc_pid_stat(5)). Undefined if there is no process. */
function startTime(pid: number): string | undefined {
  const stat = readOptional(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}
