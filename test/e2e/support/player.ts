import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { caches } from '../../support/caches.ts';
import { quorateWords } from '../../support/program.ts';
import { git } from './git.ts';
import { commandLine } from './inside.ts';
import { program } from './jobs.ts';
import { isRunning } from './proc-files.ts';
import { Proc, scratch } from './processes.ts';

/** Processes whose arguments or environment name the folder. */
export async function processesOf(dir: string): Promise<number[]> {
  const named = readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || pid === String(process.pid)) return false;
    try {
      return ['cmdline', 'environ'].some((file) =>
        readFileSync(`/proc/${pid}/${file}`, 'latin1').includes(dir),
      );
    } catch {
      return false;
    }
  });
  const found: number[] = [];
  for (const pid of named.map(Number)) if (await isRunning(pid)) found.push(pid);
  return found;
}

/** The bytes of each file of a project, without those of what is played. */
export function filesOf(dir: string): Record<string, string> {
  const names = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !file.startsWith(join(dir, 'up/')))
    .sort();
  return Object.fromEntries(names.map((file) => [file, readFileSync(file, 'base64')]));
}

/** A repository of somebody who plays a project alone, and `quorate` there. */
export async function player() {
  const dir = await scratch();
  const repo = join(dir, 'tool');
  const home = join(dir, 'home');
  await mkdir(repo);
  await git(repo, 'init', '-q', '-b', 'main');
  const env = { ...process.env, ...caches, QUORATE_HOME: home };
  const start = (...args: string[]) => {
    const [node, ...words] = quorateWords;
    return new Proc(`quorate ${args[0]}`, node, [...words, ...args, '--json'], {
      cwd: repo,
      env,
      words: args,
    });
  };
  const up = (...more: string[]) => start('up', '--yes', '--tier', 'namespace', ...more);
  const ask = async (...words: string[]) => {
    let [out, err] = ['', ''];
    const take = {
      out: (text: string) => {
        out += text;
      },
      err: (text: string) => {
        err += text;
      },
    };
    const code = await commandLine(words, { cwd: repo, env }, take, AbortSignal.timeout(120_000));
    return { code, out, err };
  };
  const commit = async (jobs?: string) => {
    const files = { ...program('tried'), ...(jobs !== undefined && { 'quorate.yaml': jobs }) };
    for (const [name, text] of Object.entries(files)) await writeFile(join(repo, name), text);
    await git(repo, 'add', '.');
    await git(repo, 'commit', '-q', '-m', 'tool');
  };
  return { dir, repo, home, start, up, ask, commit };
}
