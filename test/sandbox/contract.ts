import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sandbox, SandboxImage, Steering } from '../../sandbox/index.ts';
import { differences } from './differences.ts';
import {
  exited,
  holdsWithin,
  MiB,
  play as playOn,
  processesOfJobs,
  processesWith,
  readOutputs,
  tarOf,
  tempFolder,
  uniqueSleep,
} from './support.ts';

/** A guest reads its clock once, in whole seconds, and boots for some; a calendar that is wrong is off by more. */
const clockSecondsOff = 60;

export interface ContractOptions {
  /** Of a tier that cannot run the host's own system. Has what the tests call. */
  image?: (folder: string) => Promise<SandboxImage>;
  /** How many times as long as on the host's own processor something may take. */
  slowness?: number;
}

/** What every tier must do, whatever it is made of. */
export function sandboxContract(
  open: (stateDir: string) => Promise<Sandbox & Steering>,
  { image: makeImage, slowness = 1 }: ContractOptions = {},
): void {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let sandbox: Sandbox & Steering;
  let image: 'host' | SandboxImage = 'host';
  const play = (run: string[], options: Parameters<typeof playOn>[2] = {}) =>
    playOn(sandbox, run, { image, ...options });

  beforeAll(async () => {
    folder = await tempFolder();
    if (makeImage !== undefined) image = await makeImage(folder.path);
    sandbox = await open(folder.path);
  }, 60_000 * slowness);
  afterAll(() => folder?.remove());

  describe('a build', () => {
    it('gets its source and inputs and returns outputs as a normalised tar', async () => {
      const ran = await play(
        ['make', 'cp /build/in/dep/lib/x.txt "$OUT/z.txt"; ln -s bin/hello "$OUT/alias"'],
        {
          source: tarOf([
            {
              name: 'Makefile',
              content: 'all:\n\tmkdir -p $(OUT)/bin\n\tgcc -o $(OUT)/bin/hello hello.c\n\t$(OUT)/bin/hello\n',
            },
            {
              name: './hello.c',
              content: '#include <stdio.h>\nint main(void) { return puts("hello") < 0; }\n',
            },
          ]),
          inputs: [
            {
              name: 'dep',
              tar: tarOf([
                { name: 'lib/', type: 'directory' },
                { name: 'lib/x.txt', content: 'dep' },
              ]),
            },
          ],
          outputs: ['.'],
        },
      );
      expect(ran.outcome).toEqual(exited(0));
      expect(ran.log).toContain('hello\n');
      const names = ran.outputs.map(({ header }) => header.name);
      expect(names).toEqual(['./', './alias', './bin/', './bin/hello', './z.txt']);
      expect(ran.outputs.find(({ header }) => header.name === './z.txt')?.text).toBe('dep');
      expect(ran.outputs.find(({ header }) => header.name === './alias')?.header.linkname).toBe('bin/hello');
      for (const { header } of ran.outputs) {
        expect([header.uid, header.gid, header.uname, header.gname, header.mtime.getTime()]).toEqual([
          0,
          0,
          '',
          '',
          0,
        ]);
      }
    });

    it('returns the same bytes twice', async () => {
      const build = async () => {
        const chunks: Uint8Array[] = [];
        const run = ['for i in b a c; do echo $i > "$OUT/$i"; done; ln "$OUT/a" "$OUT/hard"'];
        const onOutputs = async (tar: Readable) => {
          for await (const chunk of tar as AsyncIterable<Uint8Array>) chunks.push(chunk);
        };
        const { outcome } = await play(run, { outputs: ['.'], onOutputs });
        expect(outcome).toEqual(exited(0));
        return Buffer.concat(chunks);
      };
      const [first, second] = [await build(), await build()];
      expect(first.equals(second)).toBe(true);
      const entries = await readOutputs(Readable.from([first]));
      expect(entries.map(({ header }) => header.type)).not.toContain('link');
    });

    it('returns only the outputs that were asked for', async () => {
      const ran = await play(['mkdir -p $OUT/a/b $OUT/c; echo 1 > $OUT/a/b/f; echo 2 > $OUT/c/g'], {
        outputs: ['a/b', 'a/b/f'],
      });
      expect(ran.outputs.map(({ header }) => header.name)).toEqual(['a/b/', 'a/b/f']);
    });

    it('fails when a declared output was not made', async () => {
      const ran = await play(['true'], { outputs: ['a'] });
      expect(ran).toMatchObject({ outcome: exited(1), delivered: false });
      expect(ran.log).toContain('did not make the output a');
    });

    it('ends with the code of the first step that fails, and returns nothing', async () => {
      const ran = await play(['echo one > $OUT/x', 'echo two; exit 7', 'echo three'], { outputs: ['.'] });
      expect(ran).toMatchObject({ outcome: exited(7), log: 'two\n', delivered: false });
    });

    it('runs each step with -e and -u', async () => {
      expect((await play(['false; true'])).outcome).toEqual(exited(1));
      expect((await play(['echo $nothing_of_that_name'])).outcome).not.toEqual(exited(0));
    });

    it('streams its log while it runs, both streams of it', async () => {
      const seen: string[] = [];
      const stop = new AbortController();
      const ran = await play(['echo out; echo err >&2; sleep 60'], {
        signal: stop.signal,
        onLog: (text) => {
          seen.push(text);
          if (seen.join('') === 'out\nerr\n') stop.abort();
        },
      });
      expect(ran.outcome).toMatchObject({ kind: 'aborted', reason: 'killed' });
      expect(ran.seconds).toBeLessThan(10 * slowness);
    });

    it('writes to its log by the name of it too, in order', async () => {
      const ran = await play([
        'echo a > /dev/stderr; echo b > /dev/stdout; echo c | tee /dev/stderr; echo d >> /proc/self/fd/2; echo e',
        'sh -c "echo f > /dev/stderr"; kill -KILL $$',
      ]);
      expect(ran.outcome).toEqual(exited(137));
      expect(ran.log).toMatch(/^a\nb\nc\nc\nd\ne\nf\n/);
    });

    it('has its whole log read, also by a slow reader, whatever it left running', async () => {
      const nap = uniqueSleep();
      const read = createHash('sha256');
      let bytes = 0;
      const ran = await play(
        [
          `(setsid sh -c "trap '' TERM HUP; sleep ${nap} <&1; sleep ${nap}" &)`,
          `(yes 0123456789abcde || true) 2>/dev/null | head -c ${16 * MiB}`,
        ],
        {
          onLogBytes: (chunk) => {
            read.update(chunk);
            // A worker that has other things to do.
            if (bytes % MiB < chunk.byteLength)
              Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
            bytes += chunk.byteLength;
          },
        },
      );
      expect(ran.outcome).toEqual(exited(0));
      expect(bytes).toBe(16 * MiB);
      const written = createHash('sha256').update('0123456789abcde\n'.repeat(MiB));
      expect(read.digest('hex')).toBe(written.digest('hex'));
      expect(await survivors(nap)).toEqual([]);
    });

    it('ends in time with what holds its log open, and at most cuts it short when it fights what copies it', async () => {
      const nap = uniqueSleep();
      const fight = (signal: string) => `
        for p in /proc/[0-9]*; do
          if read -r name < $p/comm && [ "$name" = cat ]; then kill -${signal} \${p#/proc/} || true; fi
        done 2>/dev/null`;
      const holds = await play([
        `sleep ${nap} & sleep ${nap} </dev/stdout & setsid sleep ${nap} & echo last`,
      ]);
      expect(holds).toMatchObject({ outcome: exited(0), log: 'last\n' });
      const stops = await play([`echo first; ${fight('STOP')}; head -c 50000 /dev/zero; echo last; exit 3`]);
      expect(stops.outcome).toEqual(exited(3));
      expect(stops.log).toBe(`first\n${'\0'.repeat(50_000)}last\n`);
      const kills = await play([
        `echo first; ${fight('KILL')}; sleep 0.1; trap '' PIPE; echo last || true; exit 3`,
      ]);
      expect(kills.outcome).toEqual(exited(3));
      for (const { seconds } of [holds, stops, kills]) expect(seconds).toBeLessThan(10 * slowness);
      expect(await survivors(nap)).toEqual([]);
    });

    it('runs git, perl and programs with threads', async () => {
      const source = tarOf([
        {
          name: 't.c',
          content:
            '#include <pthread.h>\n#include <stdio.h>\nvoid *f(void *p) { puts("thread"); return p; }\n' +
            'int main(void) { pthread_t t; return pthread_create(&t, 0, f, 0) || pthread_join(t, 0); }\n',
        },
      ]);
      const commit =
        'git add t.c && git -c user.name=a -c user.email=a@b.c commit -qm a && git fsck --strict';
      const ran = await play(
        [`git init -q . && ${commit}`, 'gcc -pthread -o /tmp/t t.c && /tmp/t', 'perl -e "print 2"'],
        { source },
      );
      expect(ran.outcome).toEqual(exited(0));
      expect(ran.log).toContain('thread\n2');
    });

    it('cannot change its later steps, nor speak for the driver', async () => {
      const ran = await play([
        'for fd in 3 4 5 6 7 8 9; do if (echo complete >&$fd) 2>/dev/null; then exit 9; fi; done',
        'kill -9 1 2>/dev/null || true; kill -STOP 1 2>/dev/null || true',
        'exit 3',
      ]);
      expect(ran.outcome).toEqual(exited(3));
    });

    it('leaves no process to change the outputs while they are read', async () => {
      const run = [
        '(while :; do echo x >> $OUT/f; done) & (trap "" TERM HUP; while :; do echo x >> $OUT/g; done) & sleep 0.1',
      ];
      const ran = await play(run, { outputs: ['.'] });
      expect(ran.outcome).toEqual(exited(0));
      expect(ran.outputs.map(({ header }) => header.name)).toEqual(['./', './f', './g']);
    });
  });

  describe('what a build sees', () => {
    it('is the pinned environment', async () => {
      const ran = await play(['env; umask; id -u; id -g; id -un; uname -n; pwd'], {
        env: { SOURCE_DATE_EPOCH: '1700000000', PATH: '/evil', TWO: "a 'b'\n$c" },
      });
      const words = [
        'HOME=/build/home',
        'LANG=C.UTF-8',
        'LOGNAME=build',
        'OUT=/build/out',
        'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        'PWD=/build/src',
        'SHELL=/bin/sh',
        'SOURCE_DATE_EPOCH=1700000000',
        'TMPDIR=/tmp',
        "TWO=a 'b'\n$c",
        'TZ=UTC',
        'USER=build',
      ];
      const lines = `${words.join('\n')}\n0022\n1000\n1000\nbuild\nquorate\n/build/src`;
      expect(ran.log.trim().split('\n').sort()).toEqual(lines.split('\n').sort());
    });

    it('is as many processors as it asked for, and a time of origin for what it archives', async () => {
      const counts = await Promise.all(
        [0.5, 1, 2].map(async (cpus) => (await play(['nproc'], { limits: { cpus } })).log.trim()),
      );
      const there = availableParallelism();
      expect(counts).toEqual([1, 1, 2].map((wanted) => String(Math.min(wanted, there))));
      expect((await play(['echo $SOURCE_DATE_EPOCH'])).log).toBe('315532800\n');
      expect((await play(['echo $SOURCE_DATE_EPOCH'], { env: { SOURCE_DATE_EPOCH: '7' } })).log).toBe('7\n');
    });

    it('is the time of the machine', async () => {
      const now = () => Date.now() / 1000;
      const before = now();
      const seen = Number((await play(['date +%s'])).log);
      expect(seen).toBeGreaterThan(before - clockSecondsOff);
      expect(seen).toBeLessThan(now() + clockSecondsOff);
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
      const { kernel, processor } = sandbox.unpinned;
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
        `for f in /etc/shadow /root ${process.cwd()} ${folder.path} /sys /run /var; do [ ! -e $f ]; done`,
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
  });

  describe('limits', () => {
    it('hold processes: a fork bomb only hurts itself', async () => {
      const bomb = 'b() { b | b & }; b; sleep 0.3; ls -d /proc/[0-9]* | wc -l';
      const ran = await play([bomb], { limits: { pids: 32, seconds: 3, cpus: 0.5 } });
      expect(ran.seconds).toBeLessThan(10 * slowness);
      expect(Number(/^\d+$/m.exec(ran.log)?.[0] ?? 0)).toBeLessThanOrEqual(32);
    });

    it('hold memory: the job is no vote even if it carried on', async () => {
      const ran = await play(['dd if=/dev/zero of=/dev/null bs=250000000 count=1 || true', 'exit 0'], {
        limits: { memoryBytes: 32 * MiB },
        outputs: ['.'],
      });
      expect(ran).toMatchObject({ outcome: { kind: 'aborted', reason: 'memory' }, delivered: false });
    });

    it('hold the processor', async () => {
      // The clock of a sandbox may not know when it stood still: the host's kernel is asked.
      let began: { clock: number; spent: number } | undefined;
      const now = () => ({ clock: performance.now() / 1000, spent: sandbox.processorSeconds() });
      const busy =
        'echo begins; end=$(($(date +%s%N) / 1000000 + 1000)); while [ $(($(date +%s%N) / 1000000)) -lt $end ]; do :; done';
      const ran = await play([busy], {
        limits: { cpus: 0.2 },
        onLog: () => {
          began ??= now();
        },
      });
      const ended = now();
      expect(ran.outcome).toEqual(exited(0));
      const used = ended.spent - (began?.spent ?? 0);
      expect(used).toBeGreaterThan(0);
      expect(used / (ended.clock - (began?.clock ?? 0))).toBeLessThan(0.45);
    });

    it('hold the disk: a full one is the build’s own failure', async () => {
      const fill = (path: string) => `head -c 9000000 /dev/zero > ${path}`;
      const limits = { diskBytes: 8 * MiB };
      const all = await Promise.all(
        ['/build/src/f', '/tmp/f', '$OUT/f', '$HOME/f', '/dev/shm/f'].map((path) =>
          play([fill(path)], { limits }),
        ),
      );
      for (const ran of all) {
        expect(ran.outcome).toEqual(exited(1));
        expect(ran.log).toContain('No space left on device');
      }
    });

    it('hold the disk before the first step too', async () => {
      const source = tarOf([{ name: 'big', content: 'x'.repeat(3 * MiB) }]);
      const ran = await play(['true'], { source, limits: { diskBytes: 2 * MiB } });
      expect(ran.outcome).toMatchObject({ kind: 'aborted', reason: 'disk' });
    });

    it('hold the size of what comes out', async () => {
      const ran = await play(['truncate -s 20G $OUT/sparse'], { outputs: ['.'] });
      expect(ran.outcome).toMatchObject({ kind: 'aborted', reason: 'disk' });
    });

    it('hold wall time, against everything the build started', async () => {
      const nap = uniqueSleep();
      const ran = await play(
        [
          `setsid sleep ${nap} & (setsid sh -c "trap '' TERM HUP; sleep ${nap} & sleep ${nap}" &) ; sleep ${nap}`,
        ],
        {
          limits: { seconds: 0.5 },
        },
      );
      expect(ran.outcome).toMatchObject({ kind: 'aborted', reason: 'time' });
      expect(ran.seconds).toBeLessThan(5 * slowness);
      expect(await survivors(nap)).toEqual([]);
    });
  });

  describe('an end from outside', () => {
    it('by the signal kills everything', async () => {
      const nap = uniqueSleep();
      let before: number[] = [];
      const stop = new AbortController();
      const running = play([`echo go; setsid sleep ${nap} & sleep ${nap}`], {
        signal: stop.signal,
        onLog: () =>
          void processesOfJobs().then((found) => {
            before = found;
            stop.abort();
          }),
      });
      expect((await running).outcome).toMatchObject({ kind: 'aborted', reason: 'killed' });
      expect(before.length).toBeGreaterThan(0);
      expect(await survivors(nap)).toEqual([]);
    });

    it('by a signal that came before is as good', async () => {
      const ran = await play(['echo never'], { signal: AbortSignal.abort() });
      expect(ran).toMatchObject({ outcome: { kind: 'aborted', reason: 'killed' }, log: '' });
    });

    it('by a reader of the log or of the outputs is its error, and kills everything', async () => {
      const nap = uniqueSleep();
      const onLog = () => {
        throw new Error('log reader');
      };
      await expect(play([`echo go; sleep ${nap}`], { onLog })).rejects.toThrow('log reader');
      const onOutputs = () => Promise.reject(new Error('outputs reader'));
      await expect(play(['true'], { outputs: ['.'], onOutputs })).rejects.toThrow('outputs reader');
      expect(await holdsWithin(1000, async () => (await survivors(nap)).length === 0)).toBe(true);
    });

    it('by a source that breaks off, or is none, is no vote', async () => {
      const broken = Readable.from(
        (async function* () {
          yield Buffer.alloc(100);
          throw new Error('the network went away');
        })(),
      );
      const device = tarOf([{ name: 'null', type: 'character-device', devmajor: 1, devminor: 3 }]);
      const outside = tarOf([{ name: '../../etc/passwd', content: 'x' }]);
      const cut = tarOf([{ name: 'a', content: 'x'.repeat(2000) }]).take(1) as Readable;
      for (const source of [broken, device, outside, cut, Readable.from([Buffer.alloc(2048, 'x')])]) {
        const ran = await play(['echo never'], { source });
        expect(ran).toMatchObject({ outcome: { kind: 'aborted', reason: 'setup' }, log: '' });
      }
    });
  });

  describe('what tiers differ in', () => {
    it.each(differences)('$what', async ({ step, in: tiers }) => {
      const found = tiers[sandbox.tier];
      if (found === undefined) return;
      const ran = await play([step]);
      expect(ran.outcome).toEqual(exited(0));
      expect(ran.log).toMatch(found.finds);
    });
  });

  it('runs jobs side by side', async () => {
    const all = await Promise.all([1, 2, 3, 4].map((n) => play([`sleep 0.1; exit ${n}`])));
    expect(all.map(({ outcome }) => outcome)).toEqual([1, 2, 3, 4].map(exited));
  });

  it('moves 20 MB in and out through a slow reader', async () => {
    const content = 'quorate\n'.repeat((20 * MiB) / 8);
    let bytes = 0;
    const ran = await play(['cp big $OUT/'], {
      source: tarOf([{ name: 'big', content }]),
      outputs: ['big'],
      limits: { diskBytes: 64 * MiB },
      onOutputs: async (tar) => {
        for await (const chunk of tar as AsyncIterable<Uint8Array>) {
          if (bytes % (4 * MiB) < 65_536) await new Promise((resolve) => setTimeout(resolve, 2));
          bytes += chunk.byteLength;
        }
      },
    });
    expect(ran.outcome).toEqual(exited(0));
    expect(bytes).toBeGreaterThan(content.length);
  });

  it('refuses a job that cannot be run as meant', async () => {
    const bad: Parameters<typeof playOn>[2][] = [
      { env: { 'A=B': 'x' } },
      { env: { A: 'a\0b' } },
      { outputs: ['../x'] },
      { outputs: ['/etc/passwd'] },
      { inputs: [{ name: '../x', tar: tarOf([]) }] },
      { limits: { seconds: 0 } },
      { variation: { umask: '077; id' } },
      { limits: { memoryBytes: Number.POSITIVE_INFINITY } },
    ];
    for (const job of bad) {
      await expect(play(['true'], job)).rejects.toMatchObject({ code: 'SANDBOX_JOB_INVALID' });
    }
  });
}

/** What is left of jobs on the host: by command line, where a build's processes are the host's, and by control group. */
async function survivors(text: string): Promise<number[]> {
  return [...(await processesWith(text)), ...(await processesOfJobs())];
}
