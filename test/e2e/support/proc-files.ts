// The state of a process of this machine, as /proc(5) tells: states to wait for where a program says nothing itself.
import { readdir, readFile, readlink } from 'node:fs/promises';

async function openFiles(pid: number): Promise<string[]> {
  const fds = await readdir(`/proc/${pid}/fd`).catch(() => []);
  return Promise.all(fds.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
}

/** Whether it runs. One that has ended and waits for its parent to ask how (a zombie) does not. */
export async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The name in parentheses may hold anything.
  return stat !== undefined && stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z';
}

/** Whether it has a file open whose path ends so. */
export async function hasOpen(pid: number, end: string): Promise<boolean> {
  return (await openFiles(pid)).some((path) => path.endsWith(end));
}

/** Whether it has a connection to this port of 127.0.0.1, answered by anybody or not. */
export async function isConnected(pid: number, port: number): Promise<boolean> {
  const remote = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = (await readFile(`/proc/${pid}/net/tcp`, 'utf8').catch(() => '')).split('\n');
  const sockets = lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , to]) => to === remote)
    .map((fields) => `socket:[${fields[9]}]`);
  return (await openFiles(pid)).some((path) => sockets.includes(path));
}

/** Those that its first thread started and that run. */
export async function childrenOf(pid: number): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return children.split(' ').filter(Boolean).map(Number);
}

/** The kernel counts processor time in these, whatever its own tick is (proc_pid_stat(5), USER_HZ). */
const ticksPerSecond = 100;

/** Milliseconds of processor time that a process has used, its children included: those it has waited for, and those that run. */
export async function processorMs(pid: number): Promise<number> {
  const children = await childrenOf(pid);
  const theirs = await Promise.all(children.map((child) => processorMs(child).catch(() => 0)));
  const own = await waitedForMs(pid);
  return theirs.reduce((sum, ms) => sum + ms, own);
}

async function waitedForMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name in parentheses may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return (ticks / ticksPerSecond) * 1000;
}

/** Calls by which the process itself, without its children, has written to files and sockets (proc_pid_io(5), syscw). */
export async function writeCalls(pid: number): Promise<number> {
  return Number(/^syscw: (\d+)$/m.exec(await readFile(`/proc/${pid}/io`, 'utf8'))?.[1] ?? Number.NaN);
}
