import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { hookLimits } from '../../../src/watcher/machine/hook-limits.ts';
import { type HookCommand, runCommand } from '../../../src/watcher/node/hook-command.ts';
import { makeReadOnly, openHookFolder } from '../../../src/watcher/node/hook-folder.ts';
import { until } from '../../e2e/support/wait.ts';
import { processesWith, uniqueSleep } from '../../sandbox/support.ts';
import { codeOf, folder } from '../../support/code-and-folder.ts';
import { quietFlag } from '../../support/program.ts';
import { withLimits } from '../../support/with-limits.ts';
import { id } from '../hook-support.ts';

const command = (words: string[], more: Partial<HookCommand> = {}) =>
  runCommand({
    words,
    cwd: '/',
    env: { PATH: process.env.PATH },
    stdout: 2,
    timeoutMs: 60_000,
    signal: new AbortController().signal,
    ...more,
  });

describe('a command', () => {
  it('ends with its own exit status, or by its signal', async () => {
    expect(await command(['sh', '-c', 'exit 3'])).toEqual({ kind: 'exit', code: 3 });
    expect(await command(['sh', '-c', 'kill -9 $$'])).toEqual({ kind: 'signal', signal: 'SIGKILL' });
  });

  it('that is not there, or cannot be given its environment, is told', async () => {
    expect(await command(['/no/such/program'])).toMatchObject({ kind: 'not-started' });
    expect(await command(['true'], { env: { BAD: 'a\0b' } })).toMatchObject({ kind: 'not-started' });
  });

  it('ends with all that it started when its time is up or it is stopped', async () => {
    withLimits(hookLimits, { stopKillMs: 200 });
    const ends = async (how: 'timeout' | 'stopped') => {
      const mark = uniqueSleep();
      const stop = new AbortController();
      const more = how === 'timeout' ? { timeoutMs: 300 } : { signal: stop.signal };
      // A stopped command ignores SIGTERM, and so does what it started in the background.
      const trap = how === 'stopped' ? "trap '' TERM; " : '';
      const script = `${trap}sleep ${mark} & sleep ${mark}; sleep ${mark}`;
      const ending = command(['sh', '-c', script], more);
      if (how === 'stopped') {
        await until('the processes', async () => (await processesWith(mark)).length >= 2);
        stop.abort();
      }
      expect(await ending).toEqual({ kind: how });
      await until('their end', async () => (await processesWith(mark)).length === 0);
    };
    await Promise.all([ends('timeout'), ends('stopped')]);
  });
});

const program = fileURLToPath(new URL('hook-to-kill.ts', import.meta.url));
/** Runs the hook in a process of its own. Returns how it ended. */
function hookProcess(home: string, how: 'between' | 'run'): Promise<string> {
  return new Promise((resolve) => {
    execFile(process.execPath, [quietFlag, program, home, how], { timeout: 60_000 }, (error, _out, err) =>
      resolve(error === null ? 'done' : (error.signal ?? `${error.message}${err}`)),
    );
  });
}

describe('killed by SIGKILL between the journal and the command', () => {
  let killed: Promise<string> | undefined;
  /** A home of a hook that was killed there. */
  async function left(): Promise<string> {
    killed ??= (async () => {
      const home = await mkdtemp(join(tmpdir(), 'quorate-killed-'));
      expect(await hookProcess(home, 'between')).toBe('SIGKILL');
      return home;
    })();
    const home = await folder();
    await cp(await killed, home, { recursive: true });
    return home;
  }
  afterAll(async () => rm((await killed) ?? '', { recursive: true, force: true }));

  it('a hook does not run it after a restart, and says that it may have run', async () => {
    const home = await left();
    expect(await hookProcess(home, 'run')).toBe('done');
    expect(existsSync(join(home, 'ran'))).toBe(false);
    const told = (await readFile(join(home, 'told'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(told).toMatchObject([
      { event: 'following' },
      { event: 'started', subject: id(1) },
      { event: 'ended', subject: id(1), outcome: { kind: 'unknown' } },
      { event: 'following' },
    ]);
  });

  it('without its journal it runs it: that alone prevents it', async () => {
    const home = await left();
    await rm(join(home, 'hooks'), { recursive: true });
    expect(await hookProcess(home, 'run')).toBe('done');
    expect(await hookProcess(home, 'run')).toBe('done');
    expect(await readFile(join(home, 'ran'), 'utf8')).toBe(`${id(1)}\n`);
  });
});

describe('the folder of a hook', () => {
  it('is one process at a time, and has a name', async () => {
    const home = await folder();
    const first = await openHookFolder(home, 'project', 'trusted');
    onTestFinished(() => first.close());
    expect(await codeOf(() => openHookFolder(home, 'project', 'trusted'))).toBe('JOURNAL_IN_USE');
    expect(await codeOf(() => openHookFolder(home, 'project', '../up'))).toBe('HOOK_USAGE');
    await (await openHookFolder(home, 'project', 'other')).close();
  });

  it('takes the files of a command away again, whatever their permissions', async () => {
    const opened = await openHookFolder(await folder(), 'project', 'trusted');
    onTestFinished(() => opened.close());
    const work = await opened.fresh();
    await mkdir(join(work, 'artifact', 'bin'), { recursive: true });
    await writeFile(join(work, 'artifact', 'bin', 'say'), 'x', { mode: 0o755 });
    await makeReadOnly(join(work, 'artifact'));
    expect((await stat(join(work, 'artifact', 'bin', 'say'))).mode & 0o777).toBe(0o555);
    expect((await stat(join(work, 'artifact'))).mode & 0o222).toBe(0);
    await opened.clear();
    expect(existsSync(work)).toBe(false);
  });
});
