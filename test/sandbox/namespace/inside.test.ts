import { readdir, readFile } from 'node:fs/promises';
import { getPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSandbox, probe, type Sandbox } from '../../../sandbox/index.ts';
import { tierProbes } from '../../../sandbox/open.ts';
import { probeTier } from '../../../sandbox/probe/tier.ts';
import { exited, play, processesWith, tarOf, tempFolder, uniqueSleep } from '../support.ts';

describe('inside the namespace tier', () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let sandbox: Sandbox;
  beforeAll(async () => {
    folder = await tempFolder();
    sandbox = await openSandbox(folder.path);
  });
  afterAll(() => folder.remove());

  it('the probe saw every guard hold', async () => {
    const [found] = await probe({ stateDir: folder.path, of: ['namespace'] });
    expect(found?.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(found?.checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'no network',
        'system call filter',
        'memory limit',
        'time limit',
        'disk limit',
      ]),
    );
  });

  it('a probe that takes too long says so, and what may help', async () => {
    const namespace = tierProbes.namespace?.(folder.path);
    if (namespace === undefined) throw new Error('there is no such tier');
    const { probe: found } = await probeTier({ ...namespace, secondsMax: 0.02 }, folder.path);
    expect(found.ok).toBe(false);
    expect(found.checks.filter(({ ok }) => !ok)).toEqual([
      {
        name: 'a job runs',
        ok: false,
        found: 'the jobs of the probe took over 0.02 s',
        fix: 'try again when this host is less busy',
      },
    ]);
  });

  it('a build is not root on the host, and is nice', async () => {
    const seenMsMax = 30_000;
    const nap = uniqueSleep();
    const stop = new AbortController();
    const seen: string[] = [];
    await play(sandbox, [`echo go; sleep ${nap}`], {
      signal: stop.signal,
      onLog: () => {
        void (async () => {
          const began = performance.now();
          while (seen.length === 0 && performance.now() - began < seenMsMax) {
            await sleep(10);
            for (const pid of await processesWith(nap)) {
              const status = await readFile(`/proc/${pid}/status`, 'utf8');
              const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
              if (!/^Name:\ssleep/m.test(status)) continue;
              seen.push(
                /^Uid:\s(\d+)/m.exec(status)?.[1] ?? '',
                stat.slice(stat.lastIndexOf(')')).split(' ')[17] ?? '',
              );
            }
          }
          stop.abort();
        })();
      },
    });
    const [uid, nice] = seen;
    expect(Number(uid)).toBeGreaterThan(0);
    expect(Number(nice)).toBe(Math.min(19, getPriority() + 10));
  });

  it('compiled programs meet the system call filter', async () => {
    const source = tarOf([
      {
        name: 'calls.c',
        content: `
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#define show(name, call) do { errno = 0; long r = (long)(call); printf("%s %d\\n", name, r < 0 ? errno : 0); } while (0)
int main(void) {
  struct timespec now = {0};
  show("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0));
  show("keyctl", syscall(SYS_keyctl, 0, -3, 0));
  show("add_key", syscall(SYS_add_key, "user", "q", "x", 1, -3));
  show("bpf", syscall(SYS_bpf, 0, 0, 0));
  show("perf_event_open", syscall(SYS_perf_event_open, 0, 0, 0, 0, 0));
  show("userfaultfd", syscall(SYS_userfaultfd, 0));
  show("io_uring_setup", syscall(SYS_io_uring_setup, 1, 0));
  show("process_vm_readv", syscall(SYS_process_vm_readv, 1, 0, 0, 0, 0, 0));
  show("pidfd_getfd", syscall(SYS_pidfd_getfd, 1, 0, 0));
  show("mount", syscall(SYS_mount, 0, 0, 0, 0, 0));
  show("unshare", unshare(CLONE_NEWUSER));
  show("setns", setns(-1, 0));
  show("clone3", syscall(SYS_clone3, 0, 0));
  show("clone-newuser", syscall(SYS_clone, CLONE_NEWUSER | 17, 0, 0, 0, 0));
  show("settime", clock_settime(CLOCK_REALTIME, &now));
  show("open_by_handle_at", syscall(SYS_open_by_handle_at, -1, 0, 0));
  show("TIOCSTI", ioctl(-1, TIOCSTI, "x"));
  show("TIOCLINUX", ioctl(-1, TIOCLINUX, "x"));
  show("netlink", socket(AF_NETLINK, SOCK_RAW, 0));
  show("vsock", socket(40, SOCK_STREAM, 0));
  show("packet", socket(AF_PACKET, SOCK_RAW, 0));
  show("unix", socket(AF_UNIX, SOCK_STREAM, 0));
  show("inet", socket(AF_INET, SOCK_STREAM, 0));
  show("personality-query", personality(0xffffffff));
  show("personality-no-aslr", personality(ADDR_NO_RANDOMIZE));
  show("personality-32bit", personality(PER_LINUX32));
  show("unknown", syscall(4000));
  fflush(stdout);
#ifdef __x86_64__
  int status = 0;
  if (fork() == 0) { syscall(0x40000000 | 39); _exit(0); }
  wait(&status); printf("x32 %d\\n", WTERMSIG(status)); fflush(stdout);
  if (fork() == 0) { __asm__ volatile("int $0x80" ::"a"(20)); _exit(0); }
  wait(&status); printf("i386 %d\\n", WTERMSIG(status));
#endif
  return 0;
}
`,
      },
    ]);
    const ran = await play(sandbox, ['gcc -o /tmp/calls calls.c && /tmp/calls'], { source });
    expect(ran.outcome).toEqual(exited(0));
    const EPERM = 1;
    const ENOSYS = 38;
    const EAFNOSUPPORT = 97;
    const SIGSYS = 31;
    const refused =
      'ptrace keyctl add_key bpf perf_event_open userfaultfd io_uring_setup process_vm_readv pidfd_getfd mount unshare ' +
      'setns clone-newuser settime open_by_handle_at TIOCSTI TIOCLINUX personality-32bit';
    const expected = new Map<string, number>([
      ...refused.split(' ').map((name): [string, number] => [name, EPERM]),
      ...['clone3', 'unknown'].map((name): [string, number] => [name, ENOSYS]),
      ...['netlink', 'vsock', 'packet'].map((name): [string, number] => [name, EAFNOSUPPORT]),
      ...['unix', 'inet', 'personality-query', 'personality-no-aslr'].map((name): [string, number] => [
        name,
        0,
      ]),
      ...(process.arch === 'x64' ? ['x32', 'i386'].map((name): [string, number] => [name, SIGSYS]) : []),
    ]);
    const found = new Map(
      ran.log
        .trim()
        .split('\n')
        .map((line): [string, number] => {
          const [name = '', value] = line.split(' ');
          return [name, Number(value)];
        }),
    );
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
  });

  it('Node runs with worker threads, where the machine has it, and named pipes can be made', async () => {
    const worker = `new (require('worker_threads').Worker)('1', { eval: true }).on('exit', (code) => process.exit(code))`;
    const ran = await play(sandbox, [
      `if command -v node; then node -e "${worker}"; fi`,
      'mkfifo /tmp/f; (echo piped > /tmp/f &); cat /tmp/f',
    ]);
    expect(ran.outcome).toEqual(exited(0));
    expect(ran.log).toContain('piped');
  });

  it('an output that cannot be read is the build’s failure', async () => {
    const ran = await play(sandbox, ['echo x > $OUT/a; chmod 000 $OUT/a'], {
      outputs: ['.'],
      onOutputs: async (tar) => {
        for await (const _ of tar as AsyncIterable<Uint8Array>);
      },
    });
    expect(ran.outcome).toEqual(exited(1));
    expect(ran.log).toContain('Permission denied');
  });

  it('no descriptor of the worker is open', async () => {
    const ran = await play(sandbox, ['ls /proc/self/fd | tr "\\n" " "']);
    // 3 is ls's own, of the folder it lists.
    expect(ran.log.trim()).toBe('0 1 2 3');
    expect((await readdir(folder.path)).sort()).toEqual(['sandbox']);
  });
});
