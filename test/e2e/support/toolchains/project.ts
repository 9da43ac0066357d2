import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { vi } from 'vitest';
import { jobFile } from '../jobs.ts';

/** A project of our own that one package manager builds, with the lock file that this has made. */
export interface LockedProject {
  /** All files of the source, `quorate.yaml` too. */
  files: Record<string, string>;
  /** One of its dependencies: the bytes of its file, and how errors name it. */
  dependency: { bytes: Buffer; named: string };
  /** The text that the build writes to `said`. */
  says: string;
}

/** Debian's own tools, as the sandbox finds them, not those of somebody's home folder. */
const path = '/usr/bin:/bin:/usr/local/bin';

/** Runs a package manager of this host in a folder. `env`: all that it gets besides a home folder and a path. */
export async function tool(cwd: string, [program = '', ...args]: string[], env: NodeJS.ProcessEnv) {
  await promisify(execFile)(program, args, {
    cwd,
    timeout: 300_000,
    env: { PATH: path, HOME: cwd, NO_PROXY: '127.0.0.1', ...env },
  });
}

/** Has `quorate run` and `quorate try` fetch with the configuration that the lock was made with. */
export function publishWith(env: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries({ PATH: `${path}:${process.env.PATH}`, ...env }))
    vi.stubEnv(name, value);
}

export async function writeFiles(dir: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), text);
  }
}

/** The files below a folder that have one of these endings, by their paths in it, sorted. */
export async function textsBelow(dir: string, wanted: RegExp): Promise<Record<string, string>> {
  const found = await readdir(dir, { recursive: true, withFileTypes: true });
  const paths = found
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .filter((name) => wanted.test(name))
    .sort();
  const texts = await Promise.all(paths.map((name) => readFile(join(dir, name), 'utf8')));
  return Object.fromEntries(paths.map((name, index) => [name, texts[index] ?? '']));
}

/** A `quorate.yaml` whose job has these lock files. */
export const lockedJob = (locks: string[], run: string[]): string =>
  jobFile({ run, memory: '2GiB', disk: '1GiB', time: '10m' }).replace(
    '    image: host\n',
    `    image: host\n    dependencies: ${JSON.stringify(locks)}\n`,
  );
