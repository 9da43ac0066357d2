import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { caches } from '../support/caches.ts';
import { quorateWords } from '../support/program.ts';
import { git } from './support/git.ts';
import { commandLine } from './support/inside.ts';
import { program } from './support/jobs.ts';
import { isRunning } from './support/proc-files.ts';
import { endAll, Proc, scratch } from './support/processes.ts';

afterAll(endAll);

/** Processes whose arguments or environment name the folder. */
async function processesOf(dir: string): Promise<number[]> {
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
function filesOf(dir: string): Record<string, string> {
  const names = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !file.startsWith(join(dir, 'up/')))
    .sort();
  return Object.fromEntries(names.map((file) => [file, readFileSync(file, 'base64')]));
}

it('an owner alone tries a project out, stops it, and goes on with the same homes', async () => {
  const dir = await scratch();
  const repo = join(dir, 'tool');
  const home = join(dir, 'home');
  await mkdir(repo);
  await git(repo, 'init', '-q', '-b', 'main');
  const env = { ...process.env, ...caches, QUORATE_HOME: home };
  const up = (...more: string[]) => {
    const [node, ...words] = quorateWords;
    const args = ['up', '--yes', '--tier', 'namespace', '--json', ...more];
    return new Proc('quorate up', node, [...words, ...args], { cwd: repo, env, words: args });
  };
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

  expect(await ask('init')).toMatchObject({ code: 0 });
  const own = filesOf(join(repo, '.quorate'));
  const first = up();
  const { operators, trusted } = await first.event('ready');
  expect([operators, trusted]).toEqual([['local-1', 'local-2', 'local-3'], 'local-trusted']);
  const { source } = first.all('listening')[0] ?? {};
  // The job file is in no commit yet.
  for (const [name, text] of Object.entries(program('tried'))) await writeFile(join(repo, name), text);
  await git(repo, 'add', '.');
  await git(repo, 'commit', '-q', '-m', 'tool');
  const run = await ask('run');
  expect(run).toMatchObject({ code: 0, out: expect.stringContaining(`Reading ${source} at main`) });
  const [artifact = ''] = /bafybei\w+(?=\n)/.exec(run.out.slice(run.out.indexOf('trusted bafybei'))) ?? [];
  expect(run.out).toMatch(/by local-\d, local-\d, local-\d/);
  const second = up();
  expect((await second.end()).code).toBe(3);
  expect(second.lines.at(-1)).toMatchObject({
    error: { code: 'JOURNAL_IN_USE', message: expect.stringContaining(`as process ${first.pid}`) },
  });

  expect(await first.stop('SIGINT')).toEqual({ code: 0, signal: null });
  expect(await processesOf(dir)).toEqual([]);
  // The project is as it was: its root key has signed nothing.
  expect(filesOf(join(repo, '.quorate'))).toEqual(own);
  expect(existsSync(home)).toBe(false);

  // One that lost its home and one more join, after those that know the log.
  await rm(join(repo, '.quorate', 'up', 'local-2'), { recursive: true });
  const again = up('--operators', '4');
  expect(await again.event('ready')).toMatchObject({ operators: { length: 4 } });
  expect(again.all('listening')).toMatchObject([{ source }]);
  const fetched = await ask('fetch', artifact, '-o', join(dir, 'out'));
  expect(fetched.code, fetched.err).toBe(0);
  expect(readFileSync(join(dir, 'out', 'bin', 'say'), 'utf8')).toContain('tried');
  await again.kill();
  await expect.poll(() => processesOf(dir), { timeout: 30_000 }).toEqual([]);
  // The file that a killed one left does not mislead.
  expect(await ask('run')).toMatchObject({ code: 3, err: expect.stringContaining('has not run yet') });
});
