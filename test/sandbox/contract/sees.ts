import { createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { exited, tarOf } from '../support.ts';

import type { Ground } from './ground.ts';

/** A guest reads its clock once, in whole seconds, and boots for some; a calendar that is wrong is off by more. */
const clockSecondsOff = 60;

export function whatBuildsSee(ground: Ground): void {
  const { play } = ground;
  describe('the environment of a build', () => {
    it('is pinned', async () => {
      const ran = await play(['env; umask; id -u; id -g; id -un; uname -n; pwd'], {
        commit: { id: 'c0'.repeat(20), tree: 'bafytree', seconds: 1_600_000_000 },
        env: {
          SOURCE_DATE_EPOCH: '1700000000',
          PATH: '/evil',
          TWO: "a 'b'\n$c",
          QUORATE_COMMIT: 'another',
          QUORATE_COMMIT_TIME: '1',
          QUORATE_TREE: 'another',
        },
      });
      const words = [
        'CI=true',
        `QUORATE_COMMIT=${'c0'.repeat(20)}`,
        'QUORATE_COMMIT_TIME=1600000000',
        'QUORATE_TREE=bafytree',
        'HOME=/build/home',
        'LANG=C.UTF-8',
        'LOGNAME=build',
        'OUT=/build/out',
        'PIP_RETRIES=0',
        'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        'PWD=/build/src',
        'SHELL=/bin/sh',
        'SOURCE_DATE_EPOCH=1700000000',
        'TMPDIR=/tmp',
        "TWO=a 'b'\n$c",
        'TZ=UTC',
        'USER=build',
        'npm_config_fetch_retries=0',
      ];
      const lines = `${words.join('\n')}\n0022\n1000\n1000\nbuild\nquorate\n/build/src`;
      expect(ran.log.trim().split('\n').sort()).toEqual(lines.split('\n').sort());
    });

    it('is, where it cannot be pinned, what the receipt says', async () => {
      // CPUID itself is asked: a kernel may keep the model from /proc/cpuinfo, but not from programs.
      const cpuid =
        'gcc -o /tmp/cpuid cpuid.c && /tmp/cpuid || sed -n "s/^model name[^:]*: //p" /proc/cpuinfo | head -n 1';
      const ran = await play(['uname -r', cpuid], {
        source: tarOf([
          {
            name: 'cpuid.c',
            content:
              '#include <cpuid.h>\n#include <stdio.h>\nint main(void) { unsigned b[13] = {0}; for (int i = 0; i < 3; i++)\n' +
              '__get_cpuid(0x80000002 + i, b + 4 * i, b + 4 * i + 1, b + 4 * i + 2, b + 4 * i + 3); puts((char *)b); }\n',
          },
        ]),
      });
      const { kernel, processor } = ground.sandbox.unpinned;
      const [release, model] = ran.log.split('\n');
      if (kernel !== undefined) expect(release).toBe(kernel);
      if (processor !== undefined && process.arch === 'x64') expect(model?.trim()).toBe(processor);
    });

    it('has no network, not even the loopback of the host', async () => {
      let connections = 0;
      const server = createServer((socket) => {
        connections++;
        socket.destroy();
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const address = server.address();
      const port = typeof address === 'object' ? address?.port : 0;
      const ran = await play([`bash -c 'exec 3<>/dev/tcp/127.0.0.1/${port}'`]);
      await new Promise((resolve) => server.close(resolve));
      expect(ran.outcome).toEqual(exited(1));
      expect(connections).toBe(0);
    });

    it('has nothing of the host but its system files, and those read-only', async () => {
      const ran = await play([
        'ls -A /; ls -A /etc',
        `for f in /etc/shadow /root ${process.cwd()} ${ground.folder} /sys /run /var; do [ ! -e $f ]; done`,
        'for f in / /usr/ /etc/ /dev/ /proc/sys/kernel/; do if (: > $f.x) 2>/dev/null; then exit 9; fi; done',
      ]);
      expect(ran.outcome).toEqual(exited(0));
      const allowed =
        /^(bin|sbin|lib|lib32|lib64|libx32|usr|etc|dev|proc|build|tmp|alternatives|group|hosts|ld\.so\.(cache|conf|conf\.d)|nsswitch\.conf|passwd)$/;
      expect(
        ran.log
          .trim()
          .split('\n')
          .filter((name) => !allowed.test(name)),
      ).toEqual([]);
    });

    it('has no capability and cannot gain one', async () => {
      const ran = await play([
        'grep "^Cap" /proc/self/status | tr -d "\\t"; setpriv --dump 2>&1 | grep no_new_privs',
      ]);
      const lines = ran.log.trim().split('\n');
      const sets = ['Inh', 'Prm', 'Eff', 'Bnd'].map((set) => `Cap${set}:0000000000000000`);
      // Not every kernel tells of the ambient set, which is never more than the permitted one.
      expect(lines.filter((line) => line !== 'CapAmb:0000000000000000')).toEqual([
        ...sets,
        'no_new_privs: 1',
      ]);
    });

    it('has as many processors as it asked for, and a time of origin for archives', async () => {
      const counts = await Promise.all(
        [0.5, 1, 2].map(async (cpus) => (await play(['nproc'], { limits: { cpus } })).log.trim()),
      );
      const there = availableParallelism();
      expect(counts).toEqual([1, 1, 2].map((wanted) => String(Math.min(wanted, there))));
      expect((await play(['echo $SOURCE_DATE_EPOCH'])).log).toBe('315532800\n');
      expect((await play(['echo $SOURCE_DATE_EPOCH'], { env: { SOURCE_DATE_EPOCH: '7' } })).log).toBe('7\n');
    });

    it('has the time of the machine', async () => {
      const now = () => Date.now() / 1000;
      const before = now();
      const seen = Number((await play(['date +%s'])).log);
      expect(seen).toBeGreaterThan(before - clockSecondsOff);
      expect(seen).toBeLessThan(now() + clockSecondsOff);
    });
  });
}
