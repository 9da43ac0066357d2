import { execFile } from 'node:child_process';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { exited } from '../../../sandbox/support.ts';
import { type Arena, succeeded, told } from './arena.ts';

const EPERM = '1';
const ENOTSOCK = '88';
const run = promisify(execFile);

export function readsTheHost(arena: Arena): void {
  describe('a build that looks for what is not its own', () => {
    it('reads none of the worker’s files', async () => {
      const secret = join(arena.folder, 'node.key');
      await writeFile(secret, 'the worker’s key');
      await chmod(arena.folder, 0o755);
      const steal = [`cat ${secret} /host/node.key 2>/dev/null || ls /host/node.key`];
      const held = await arena.play(steal);
      expect(held.outcome).not.toEqual(exited(0));
      expect(held.log).not.toContain('the worker');
      await arena.showing(arena.folder, steal, ({ log }) => expect(log).toContain('the worker’s key'));
    });

    it('finds no home, no account, no configuration and no running program of the host', async () => {
      const places = `${homedir()} /home /root /var /run /sys /mnt /srv /opt /boot /etc/shadow /etc/ssh /etc/machine-id`;
      const found = await arena.play([
        `for path in ${places}; do [ ! -e $path ] || echo $path; done`,
        `find / -path /usr -prune -o -path /proc -prune -o '(' -name '*.key' -o -name 'id_*' -o -name .git ')' -print 2>/dev/null || true`,
        'cat /proc/[0-9]*/cmdline | tr "\\0" "\\n" | grep -a -e vites[t] -e node_module[s] || true',
      ]);
      expect(found).toMatchObject({ outcome: exited(0), log: '' });
    });

    it('finds none of the devices there are', async () => {
      const { ownDevices } = arena.tier;
      const usual = ['full', 'null', 'ptmx', 'random', 'tty', 'urandom', 'zero', ...ownDevices];
      // find(1) would take the file below the device from the folder itself.
      const { log } = await arena.play([`ls -lR /dev | sed -n '/^[bc]/s/.* //p' | sort -u`]);
      const found = log.split('\n').filter(Boolean);
      expect(found).toContain('null');
      expect(found.filter((name) => !usual.includes(name) && !/^\d+$/.test(name))).toEqual([]);
    });

    it('reads of the kernel only what the documentation says', async () => {
      const secret = 'acpi asound bus cmdline diskstats interrupts keys partitions swaps timer_list'.split(
        ' ',
      );
      const look = [
        `for f in ${secret.join(' ')}; do [ "$(cat /proc/$f 2>/dev/null; ls -A /proc/$f/ 2>/dev/null)" = "" ] || echo $f; done`,
        'for f in kmsg kcore kpagecount slabinfo vmallocinfo sysrq-trigger; do (: < /proc/$f) 2>/dev/null && echo $f; done; true',
        'grep -v "^0* " /proc/kallsyms 2>/dev/null | head -n 1',
      ];
      const { log } = await arena.play(look);
      // A kernel of its own may tell of itself; of this one nothing.
      if (arena.tier.kernel === 'host') expect(log).toBe('');
      else expect(log).not.toContain((await readFile('/proc/cmdline', 'utf8')).trim());
      await arena.without('hidden files', look, {}, (control) => expect(control.log).toContain('cmdline'));
    });

    it('gets nothing of the worker’s environment, nor a descriptor of it', async () => {
      process.env.QUORATE_TEST_SECRET = 'sesame';
      const { log } = await arena.play([
        // The last two are in each build without a network.
        'cat /proc/[0-9]*/environ 2>/dev/null | tr "\\0" "\\n" | grep -a -i -e sesame -e ^npm_ -e ^NODE | grep -v ^npm_config_fetch_retries=0$ || true',
        'ls -l /proc/self/fd | grep -v -e pipe: -e "/build/.log (deleted)" -e /dev/null -e /proc/ -e total || true',
      ]);
      delete process.env.QUORATE_TEST_SECRET;
      expect(log).toBe('');
    });
  });
}

export function attacksTheHost(arena: Arena): void {
  describe('a build that attacks its host', () => {
    it('makes no system call that a build has no use for', async () => {
      const held = await arena.play(['./attacker calls']);
      if (arena.tier.kernel === 'gVisor') expect(succeeded(held)).not.toContain('ring');
      else expect(succeeded(held)).toEqual(['ptrace']);
      await arena.without('call filter', ['./attacker calls'], {}, (control) =>
        expect(succeeded(control)).toEqual(
          expect.arrayContaining(
            arena.tier.kernel === 'gVisor'
              ? ['trace', 'keyring', 'namespace']
              : ['trace', 'keyring', 'memory of others', 'ring', 'netlink'],
          ),
        ),
      );
    });

    it('does nothing that only root may', async () => {
      const held = await arena.play(['./attacker root; hostname']);
      expect(succeeded(held)).toEqual([]);
      expect(Object.keys(told(held)).length).toBeGreaterThan(10);
      expect(held.log).toContain('\nquorate\n');
    });

    it('makes no user namespace, and so gains no capability to mount or to try the kernel with', async () => {
      const attack = ['unshare -Urm mount -t tmpfs none /tmp'];
      expect((await arena.play(attack)).outcome).not.toEqual(exited(0));
      // Where two guards refuse it each alone does, and only without both it succeeds.
      const two = arena.tier.driver('nested namespaces') !== undefined;
      for (const guard of two ? (['call filter', 'nested namespaces'] as const) : []) {
        await arena.without(guard, attack, {}, ({ outcome }) => expect(outcome).not.toEqual(exited(0)));
      }
      await arena.without('call filter and nested namespaces', attack, {}, ({ outcome }) =>
        expect(outcome).toEqual(exited(0)),
      );
    });

    it('does not run under an account of the host', async () => {
      const own = process.getuid?.() ?? 0;
      // A guest's machine is one process; what puts it into its sandbox runs nothing of the build's.
      const uidOf = arena.tier.kernel === 'guest' ? /^Name:\s+qemu.*?^Uid:\s(\d+)/ms : /^Uid:\s(\d+)/m;
      const uidsOf = async (driver = arena.tier.driver()) => [
        ...(await arena.ofHostProcesses('status', uidOf, driver)),
      ];
      const [uid, ...others] = await uidsOf();
      expect(others).toEqual([]);
      if (own === 0) expect(uid).toBeGreaterThan(65_533);
      else expect(uid).toBe(own);
      const control = arena.tier.driver('account');
      if (control !== undefined) expect(await uidsOf(control)).toEqual([own]);
    });

    it('writes to nothing of the system', async () => {
      const places =
        '/ /usr/ /usr/bin/ /usr/lib/ /etc/ /dev/ /proc/ /proc/sys/ /proc/sys/kernel/ /bin/ /lib/';
      const { log } = await arena.play([
        `for path in ${places}; do (: > $path.quorate) 2>/dev/null && echo $path; done; true`,
        'for path in /etc/passwd /usr/bin/env /usr/bin/sh; do (: >> $path) 2>/dev/null && echo $path; done; true',
        '(: >> /proc/sysrq-trigger) 2>/dev/null && echo sysrq; (: >> /proc/sys/kernel/core_pattern) 2>/dev/null && echo core; true',
      ]);
      expect(log).toBe('');
    });

    it('becomes nobody else by a program that has the right to', async () => {
      const program = join(arena.folder, 'setuid');
      await writeFile(program, await readFile('/usr/bin/id'));
      await chmod(program, 0o4755);
      await chmod(arena.folder, 0o755);
      const { log } = await arena.play([
        'cp /usr/bin/id /tmp/id; chmod 6755 /tmp/id; /tmp/id -u; /tmp/id -g',
        'for p in $(find /usr/bin -perm -4000 2>/dev/null | head -n 20); do [ -u $p ] && setpriv --dump --no-new-privs | grep ^uid; break; done; true',
      ]);
      expect(log.split('\n').slice(0, 2)).toEqual(['1000', '1000']);
      await arena.showing(arena.folder, ['/host/setuid -u'], (shown) => expect(shown.log).toBe('1000\n'));
      // On the host itself the program does what it says.
      if (process.getuid?.() === 0) {
        const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', program];
        expect((await run('setpriv', nobody)).stdout).toContain('euid=0');
      }
    });

    it('types nothing into a terminal', async () => {
      const held = told(await arena.play(['./attacker terminal']));
      expect(held['terminal of the worker']).not.toBe('done');
      expect(held.typed).toBe(EPERM);
      // Many kernels refuse it themselves by now (EIO); the call does reach them.
      await arena.without('call filter', ['./attacker terminal'], {}, (control) =>
        expect(told(control).typed).not.toBe(EPERM),
      );
    });

    it('has no socket of the worker’s, to reach it by or to hand it open files', async () => {
      const held = await arena.play(['./attacker peer; ./attacker smuggle 100']);
      expect(succeeded(held)).toEqual([]);
      expect(told(held)).toMatchObject({ 'handle of the worker': ENOTSOCK, smuggled: ENOTSOCK });
      expect(Object.keys(told(held))).toContain('signal by handle');
    });
  });
}
