import { execFile } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);

/**
 * Leftovers on this machine of processes of these ids, and of those that they started, once all have ended. The folder is theirs, with the file
 * systems that are mounted below it.
 */
export async function leftovers(dir: string, pids: ReadonlySet<number>): Promise<string[]> {
  return [
    ...(await processesIn(dir)),
    ...(await groupsOf(pids)),
    ...(await linesWith('/proc/net/unix', dir, 'socket')),
    ...(await loopDevicesIn(dir)),
    ...(await filesIn(join(dir, 'tmp'))),
    ...(await temporaryIn(dir)),
  ];
}

async function processesIn(dir: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) === process.pid) continue;
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');
    if (cwd.startsWith(dir) || words.includes(dir)) found.push(`process ${pid}: ${words.slice(0, 200)}`);
  }
  return found;
}

/** Control groups are named after the process that made them. */
async function groupsOf(pids: ReadonlySet<number>): Promise<string[]> {
  const { stdout } = await exec('find', ['/sys/fs/cgroup', '-type', 'd', '-name', 'quorate-job-*']).catch(
    (error: { stdout?: string }) => ({ stdout: error.stdout ?? '' }),
  );
  const ours = (path: string) => pids.has(Number(/quorate-job-(\d+)-/.exec(path)?.[1]));
  return stdout
    .split('\n')
    .filter((path) => path !== '' && ours(path))
    .map((path) => `control group ${path}`);
}

async function linesWith(file: string, text: string, what: string): Promise<string[]> {
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line.includes(text));
  return lines.map((line) => `${what}: ${line}`);
}

async function loopDevicesIn(dir: string): Promise<string[]> {
  const { stdout } = await exec('losetup', ['--list', '--noheadings', '--output', 'NAME,BACK-FILE']).catch(
    () => ({
      stdout: '',
    }),
  );
  return stdout
    .split('\n')
    .filter((line) => line.includes(dir))
    .map((line) => `loop device ${line}`);
}

async function filesIn(dir: string): Promise<string[]> {
  return (await readdir(dir).catch(() => [])).map((name) => `temporary file ${join(dir, name)}`);
}

/** Folders of checkouts, sockets, and records of jobs, below homes. */
async function temporaryIn(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries.flatMap((entry) => {
    const path = join(entry.parentPath, entry.name);
    if (entry.isSocket()) return [`socket ${path}`];
    return /^tmp-|^quorate-job-/.test(entry.name) ? [`temporary file ${path}`] : [];
  });
}
