import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, vi } from 'vitest';
import { type Answer, Person } from '../../bad-input/support/person.ts';
import { git } from '../../e2e/support/git.ts';
import { type JobOptions, jobFile } from '../../e2e/support/jobs.ts';
import type { Line } from '../../e2e/support/processes.ts';

export let person: Person;
let count = 0;

/** Before the tests of a file: somebody who tries jobs. */
export async function arrive(): Promise<void> {
  person = await Person.arrive();
  vi.stubEnv('TMPDIR', person.tmp);
}

export async function write(dir: string, files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), text);
  }
}

/** A repository with this job and these files, none of it committed. */
export async function repository(
  job: JobOptions | string,
  files: Record<string, string> = {},
): Promise<string> {
  const dir = person.at(`repo-${count++}`);
  await write(dir, { 'quorate.yaml': typeof job === 'string' ? job : jobFile(job), ...files });
  await git(dir, 'init', '-q', '-b', 'main');
  return dir;
}

export async function commit(dir: string): Promise<void> {
  await git(dir, 'add', '.');
  await git(dir, 'commit', '-q', '-m', 'x');
}

/** `quorate try` as a process. */
export const attemptAsProcess = (dir: string, ...args: string[]): Promise<Answer> =>
  person.run(['try', ...args], { cwd: dir, ms: 240_000 });

/** The same in this process: for what is about builds and answers. */
export const attempt = (dir: string, ...args: string[]): Promise<Answer> =>
  person.inside(['try', ...args], { cwd: dir, ms: 240_000 });

export function lines({ out, report }: Answer): Line[] {
  expect(out, report).not.toBe('');
  return out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}
export const event = (answer: Answer, name: string): Line | undefined =>
  lines(answer).find((line) => line.event === name);

export const connectTo = (host: string): string =>
  `bash -c 'exec 3<>/dev/tcp/127.0.0.1/3128; printf "CONNECT ${host} HTTP/1.1\\r\\n\\r\\n" >&3; head -n 1 <&3'`;

export const listing = { run: ['find . -type f -o -type l | sort > "$OUT/list"; cat *.txt > "$OUT/text"'] };
