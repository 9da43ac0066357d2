import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { type Confined, confined, hostOf } from '../../source/confined.ts';
import { commitAll, listen, repo, serve } from '../../source/support.ts';

export const some = 'b'.repeat(40);
export const run = promisify(execFile);

export async function project(): Promise<{ dir: string; commit: string }> {
  const dir = await repo();
  await writeFile(join(dir, 'f'), 'what was committed');
  return { dir, commit: commitAll(dir) };
}

/** After an attack: an ordinary checkout from another server works. */
export async function nextWorks(): Promise<void> {
  const { dir, commit } = await project();
  const url = await serve(dir);
  expect(await (await confined(url, [hostOf(url)])).fetch(commit)).toContain('what was committed');
}

/** A server on a port of its own that counts who comes. */
export async function bystander(): Promise<{ port: number; knocks: () => number }> {
  let knocks = 0;
  const port = await listen((socket) => {
    knocks++;
    socket.destroy();
  });
  return { port, knocks: () => knocks };
}

/** Runs a shell's words in the place of git: what code that took git over could do. */
export async function inPlaceOfGit(
  box: Confined,
  script: string,
  env: Record<string, string> = {},
): Promise<{ out: string; code: number }> {
  const [file = '', ...args] = box.wrap(['sh', '-c', script], 'server');
  try {
    const { stdout, stderr } = await run(file, args, {
      cwd: box.dir,
      env: { PATH: '/usr/bin:/bin', ...env },
      timeout: 120_000,
    });
    return { out: stdout + stderr, code: 0 };
  } catch (error) {
    const { stdout = '', stderr = '', code } = error as { stdout?: string; stderr?: string; code?: number };
    return { out: stdout + stderr, code: code ?? -1 };
  }
}

/** Asks the proxy, as anything inside could, with nothing of git in between. */
export const knock = (host: string): string =>
  `exec 3<>/dev/tcp/127.0.0.1/3128; printf 'CONNECT ${host} HTTP/1.1\\r\\n\\r\\n' >&3; head -n 1 <&3`;
export const bash = (script: string): string => `bash -c "${script.replaceAll('"', '\\"')}"`;
