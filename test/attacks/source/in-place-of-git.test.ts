import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { nativeProgram } from '../../../sandbox/native/index.ts';
import { toolGuards } from '../../../sandbox/tool/command.ts';
import { buildLimits } from '../../../src/execution/limits.ts';
import type { GitOptions } from '../../../src/source/index.ts';
import { confined, homeOf, hostOf } from '../../source/confined.ts';
import { codeOf, listen, serveHttp } from '../../source/support.ts';
import { withLimits } from '../../support/with-limits.ts';

import { bash, bystander, inPlaceOfGit, knock, nextWorks, project, run, some } from './support.ts';

describe('code that runs in the place of git', () => {
  const guardless = { ...toolGuards, network: () => [] };

  it('reaches no other port through the proxy, and nothing without it', async () => {
    const { port, knocks } = await bystander();
    const { dir } = await project();
    const url = await serveHttp(dir);
    const direct = bash(`exec 3<>/dev/tcp/127.0.0.1/${port} && echo open`);

    const control = await confined(url, [hostOf(url)], { guards: guardless });
    expect((await inPlaceOfGit(control, direct)).out).toContain('open');
    await expect.poll(knocks).toBe(1);

    const box = await confined(url, [hostOf(url)]);
    expect((await inPlaceOfGit(box, bash(knock(hostOf(url))))).out).toContain(' 200 ');
    expect((await inPlaceOfGit(box, bash(knock(`127.0.0.1:${port}`)))).out).toContain(' 403 ');
    expect((await inPlaceOfGit(box, bash(knock('169.254.169.254:80')))).out).toContain(' 403 ');
    expect((await inPlaceOfGit(box, direct)).out).not.toContain('open');
    expect(knocks()).toBe(1);
  });

  it('sees no home folder, no key of the worker and no file of the host’s but its system', async () => {
    const url = 'http://127.0.0.1:1/x';
    const box = await confined(url, []);
    const home = homeOf(box);
    const key = join(home, 'node.key');
    await writeFile(key, 'the secret', { mode: 0o600 });
    const look = `cat ${key}; ls -A ${home} ${dirname(box.dir)}; ls -d /home/* /root /var /etc/shadow /etc/ssl/private`;

    // The control: the same words where the host's files are shown. The worker's account alone may read the key.
    const control = await confined(url, [], {
      guards: { ...toolGuards, files: () => ['--ro-bind', '/', '/host'] },
    });
    expect(execFileSync('cat', [key], { encoding: 'utf8' })).toBe('the secret');
    const shown = await inPlaceOfGit(control, 'ls -d /host/home /host/var; ls -A /host/etc/ssl');
    expect(shown.out).toContain('/host/var');

    const { out } = await inPlaceOfGit(box, look);
    expect(out).not.toContain('secret');
    expect(
      out
        .replaceAll(/^(cat|ls): .*$/gm, '')
        .trim()
        .split(/\s+/),
    ).toEqual([`${home}:`, 'tmp-1', `${dirname(box.dir)}:`, 'work']);
  });

  it('writes nowhere but in its folder', async () => {
    const box = await confined('http://127.0.0.1:1/x', []);
    const places = ['/', '/usr/', '/etc/', '/dev/', '/dev/shm/', '/run/', '/run/quorate/net/', '/tmp/'];
    const tries = [...places, `${box.dir}/`].map((at) => `(: > ${at}mine) 2>/dev/null && echo "wrote ${at}"`);
    const { out } = await inPlaceOfGit(box, `${tries.join('; ')}; rm -f /run/quorate/net/proxy.sock; true`);
    expect(out.split('\n').filter((line) => line.startsWith('wrote'))).toEqual([`wrote ${box.dir}/`]);
    expect((await inPlaceOfGit(box, bash(knock('a:1')))).out).toContain(' 403 ');
  });

  it('writes no file of the worker by a link that it leaves in a git folder', async () => {
    const { dir, commit } = await project();
    const url = await serveHttp(dir);
    const attack = async (wrap: GitOptions['wrap']) => {
      const box = await confined(url, [hostOf(url)]);
      const victim = join(homeOf(box), 'node.key');
      await writeFile(victim, 'the secret', { mode: 0o600 });
      const inBox = wrap ?? box.wrap;
      const linked: GitOptions['wrap'] = (command, reach) => {
        const links = `for f in HEAD shallow packed-refs config index; do ln -sf ${victim} $f; done; exec "$@"`;
        // The folder's own path is the argument of a script that works in it.
        const at = command.find((word) => /\/\.source-\w+$/.test(word) && !word.startsWith('-'));
        const tricked = at === undefined ? command : ['sh', '-c', `cd ${at}; ${links}`, 'sh', ...command];
        return tricked === command ? box.wrap(command, reach) : inBox(tricked, reach);
      };
      const read = async (tar: Readable) => void (await buffer(tar));
      await box.fetch(commit, { wrap: linked, gitFolder: { read } }).catch(() => {});
      return readFile(victim, 'utf8');
    };
    expect(await attack((command) => command)).not.toBe('the secret');
    expect(await attack(undefined)).toBe('the secret');
  });

  it('keeps its folder until nothing of it runs, which could put a link in the place of what is being removed', async () => {
    const { dir, commit } = await project();
    const url = await serveHttp(dir);
    const box = await confined(url, [hostOf(url)]);
    await box.fetch(commit);
    expect(await readdir(box.dir)).toEqual([expect.stringMatching(/^\.source-/)]);
  });

  it('signals no process of the host, and none of the worker', async () => {
    const victim = spawn('sleep', ['60'], { stdio: 'ignore' });
    onTestFinished(() => {
      victim.kill('SIGKILL');
    });
    const strike = `kill -9 ${victim.pid} ${process.pid}; kill -9 -1; true`;
    const box = await confined('http://127.0.0.1:1/x', []);
    await inPlaceOfGit(box, strike);
    const look = `[ -e /proc/${victim.pid}/stat ] && echo seen; true`;
    const control = await confined('http://127.0.0.1:1/x', [], {
      guards: { ...toolGuards, processes: () => [] },
    });
    expect((await inPlaceOfGit(control, look)).out).toContain('seen');
    expect((await inPlaceOfGit(box, look)).out).not.toContain('seen');
    expect(victim.exitCode ?? victim.signalCode).toBeNull();

    const mine = spawn('sleep', ['60'], { stdio: 'ignore' });
    process.kill(mine.pid ?? 0, 'SIGKILL');
    await once(mine, 'exit');
    expect(mine.signalCode).toBe('SIGKILL');
  });

  it.each([
    ['the native program', nativeProgram],
    ['tools of the host', () => undefined],
  ])(
    'holds no capability, no way to gain one, and the builds’ filter of system calls, entered by %s',
    async (_, native) => {
      const box = await confined('http://127.0.0.1:1/x', [], { native });
      const { out } = await inPlaceOfGit(
        box,
        'grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status; id -u',
      );
      expect(out.match(/^Cap\w+:\t0{16}$/gm)).toHaveLength(5);
      expect(out).toContain('NoNewPrivs:\t1');
      // Standard streams, and the folder that is listed: no program of the host, no file of the sandbox.
      expect((await inPlaceOfGit(box, 'ls /proc/self/fd')).out.trim().split(/\s+/)).toEqual([
        '0',
        '1',
        '2',
        '3',
      ]);
      expect(out).toContain('Seccomp:\t2');
      expect(Number(out.trim().split('\n').at(-1))).toBeGreaterThan(0);
      expect((await inPlaceOfGit(box, 'unshare -U true')).code).not.toBe(0);
    },
  );

  it('leaves nothing running', async () => {
    const mark = `${1000 + Math.floor(Math.random() * 1000)}.${process.pid}`;
    const box = await confined('http://127.0.0.1:1/x', []);
    await inPlaceOfGit(box, `setsid sleep ${mark} >/dev/null 2>&1 </dev/null & exit 0`);
    await box.close();
    const { stdout } = await run('ps', ['-eo', 'args']);
    expect(stdout).not.toContain(mark);
  });
});

describe('a server that takes too much', () => {
  it('of what may be received is cut off, by every protocol', async () => {
    const port = await listen((socket) => {
      socket.on('data', () => {});
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n');
      const more = (): void => {
        while (socket.writable && socket.write(`003f${some} refs/heads/aaaaaaaaa\n`.repeat(2000)));
      };
      socket.on('drain', more);
      more();
    });
    for (const protocol of ['git', 'http']) {
      const url = `${protocol}://127.0.0.1:${port}/x`;
      // The allowance besides the source is more than git may hold; here it is less.
      const box = await confined(url, [hostOf(url)], { bytesMax: 1024 * 1024 - 64 * 1024 * 1024 });
      const code = await codeOf(box.fetch(some, { seconds: 20 }));
      expect(code).toMatch(/^(EGRESS_LIMIT_EXCEEDED|SOURCE_SERVER_ERROR|SOURCE_FAILED)$/);
      expect(box.egress.counts.received).toBeLessThan(4 * 1024 * 1024);
    }
  });

  it('of git’s memory ends git, not the machine', async () => {
    const memoryBytes = 64 * 1024 * 1024;
    withLimits(buildLimits, { gitMemoryBytesMin: memoryBytes });
    const box = await confined('http://127.0.0.1:1/x', [], { memoryBytes });
    const eat = `perl -e '$n = 2 * ${memoryBytes}; $x = "x" x $n'`;
    expect((await inPlaceOfGit(box, `${eat}; false`)).code).not.toBe(0);
    const error = new Error('git died') as Error & { code: string };
    error.code = 'SOURCE_FAILED';
    expect(box.explain(error)).toMatchObject({ code: 'SOURCE_TOO_LARGE', cause: error });
  });

  it('of its processes fails to fork', async () => {
    const box = await confined('http://127.0.0.1:1/x', []);
    const { out } = await inPlaceOfGit(
      box,
      'i=0; while [ $i -lt 200 ]; do sleep 5 & i=$((i+1)); done 2>&1; echo all',
    );
    expect(out).not.toContain('all');
  });
});

it('after whatever was tried the next checkout on this machine works', nextWorks);
