// What a process of this machine is doing, as /proc(5) tells: states to wait for where a program says nothing itself.
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
