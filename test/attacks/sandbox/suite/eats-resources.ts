import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { exited, MiB, processesWith, type Ran, uniqueSleep } from '../../../sandbox/support.ts';
import { hasLoopDevices } from '../../../support/loop-device.ts';
import { type Arena, succeeded } from './arena.ts';

const aborted = (reason: string) => ({ kind: 'aborted', reason });

const spin =
  'now() { read -r up rest < /proc/uptime; now=`echo $up | tr -d .`; }; now; end=$((now + 50)); while [ $now -lt $end ]; do now; done';

const CAP_SYS_RESOURCE = 24n;
const mayLowerScores = (): boolean => {
  const capabilities = /^CapEff:\s*(\w+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return ((BigInt(`0x${capabilities}`) >> CAP_SYS_RESOURCE) & 1n) === 1n;
};

export function eatsMemory(arena: Arena): void {
  // Its files are in memory: a job with more disk than memory has them elsewhere.
  const limits = { memoryBytes: 48 * MiB, diskBytes: 48 * MiB, seconds: 120 };
  const hogMiB = 100 + 2 * arena.tier.ownMiB;
  const fileMiB = 40;

  describe('a build that eats memory', () => {
    it.each([
      ['of its own', `./attacker heap ${hogMiB}`],
      ['in files', `head -c ${fileMiB}M /dev/zero > /tmp/f; ./attacker heap ${hogMiB - fileMiB}; rm /tmp/f`],
      ['in shared memory', `./attacker shared ${hogMiB}`],
      ['in the buffers of local sockets', `./attacker buffers ${hogMiB}`],
    ])('%s', async (_, hog) => {
      expect((await arena.play([hog], { limits })).outcome).toMatchObject(aborted('memory'));
      await arena.without('memory', [hog], { limits }, ({ outcome }) => expect(outcome).toEqual(exited(0)));
    });

    it('in very many empty files', async () => {
      // A guest's file system has room for a number of files that goes by the memory of its machine: less than would fill it.
      const guest = arena.tier.kernel === 'guest';
      const files = { host: 80_000, guest: 60_000, gVisor: 150_000 }[arena.tier.kernel];
      const hog = [`mkdir /tmp/d; cd /tmp/d; /build/src/attacker empty ${files}`];
      const attack = async () =>
        expect((await arena.play(hog, { limits })).outcome).toMatchObject(
          guest ? exited(3) : aborted('memory'),
        );
      if (arena.tier.kernel === 'gVisor') return attack();
      await arena.beside(attack, () =>
        arena.without('memory', hog, { limits }, ({ outcome }) => expect(outcome).toEqual(exited(0))),
      );
    });

    it('and goes on when one of its processes was ended for it: the job is no vote', async () => {
      const hog = [`./attacker heap ${hogMiB} || true`, 'echo made > $OUT/made'];
      const ran = await arena.play(hog, { limits, outputs: ['.'] });
      expect(ran).toMatchObject({ outcome: aborted('memory'), delivered: false });
      await arena.without('memory', hog, { limits, outputs: ['.'] }, (control) =>
        expect(control).toMatchObject({ outcome: exited(0), delivered: true }),
      );
    });

    it('in connections over its own loopback', async () => {
      const hog = [`./attacker connections ${hogMiB}`];
      const { outcome, log } = await arena.play(hog, { limits });
      if (outcome.kind === 'aborted') expect(outcome).toMatchObject(aborted('memory'));
      else expect(Number(log)).toBeLessThan(48 + arena.tier.ownMiB);
      await arena.without('sockets', hog, { limits }, (control) =>
        expect(Number(control.log)).toBeGreaterThan(80),
      );
    });

    it('that the owner reserved as huge pages, or contexts that the machine has few of', async () => {
      // gVisor makes them of the build's memory.
      const harmless = arena.tier.kernel === 'gVisor' ? ['huge pages'] : [];
      expect(succeeded(await arena.play(['./attacker tables']))).toEqual(harmless);
      await arena.without('call filter', ['./attacker tables'], {}, (control) =>
        expect(succeeded(control)).toEqual(
          expect.arrayContaining(['huge pages', 'contexts of input and output']),
        ),
      );
    });
  });
}

export function eatsTheRest(arena: Arena): void {
  describe('a build that eats processor, processes, disk or time', () => {
    it('gets no more of the processor than its limit', async () => {
      const cpus = arena.tier.leastCpus;
      /** Of one processor, as the kernel counts it for the whole group; and how often the kernel made the group wait for more. */
      const spun = async (driver = arena.tier.driver()): Promise<{ share: number; waits: number }> => {
        const sandbox = arena.sandbox(driver);
        let waits = 0;
        const { seconds } = await arena.playOn(sandbox, [`${spin}; echo`], {
          limits: { cpus },
          onLog: () => {
            waits = arena.processorWaits();
          },
        });
        return { share: sandbox.processorSeconds() / seconds, waits };
      };
      const held = await spun();
      expect(held.share).toBeLessThan(2.5 * cpus);
      expect(held.waits).toBeGreaterThan(0);
      // A share alone would say nothing where others want the processor.
      const control = arena.tier.driver('cpu');
      if (control !== undefined) expect((await spun(control)).waits).toBe(0);
    });

    it('does not put itself before the owner’s programs', async () => {
      const ran = await arena.play(['./attacker priority']);
      // gVisor decides only in what order it gives away what it has got.
      expect(succeeded(ran)).toEqual(arena.tier.kernel === 'gVisor' ? ['before the owner'] : []);
    });

    it('is what the kernel ends first when the machine itself has no memory left', async () => {
      expect([...(await arena.ofHostProcesses('oom_score_adj', /(\d+)/))]).toEqual([1000]);
      // Only who may lower it can forbid others to: a worker that is not root cannot.
      if (arena.tier.kernel === 'host' && mayLowerScores()) {
        const score = 'cat /proc/self/oom_score_adj';
        const lower = `(echo 0 > /proc/self/oom_score_adj) 2>/dev/null || true; ${score}`;
        expect((await arena.play([lower])).log).toBe('1000\n');
      }
    });

    it('gets no more processes than its limit: a fork bomb', async () => {
      const limits = { pids: 24, seconds: 15 };
      const most = arena.tier.kernel === 'gVisor' ? 40 : 120;
      const bomb = [`./attacker bomb ${most}`];
      const attack = async () => {
        const held = await arena.play(bomb, { limits });
        expect(Number(/\d+/.exec(held.log)?.[0] ?? 0)).toBeLessThan(24);
      };
      await arena.beside(attack, () =>
        arena.without('processes', bomb, { limits }, ({ log }) =>
          expect(Number(log)).toBeGreaterThanOrEqual(most),
        ),
      );
    });

    it('gets no more threads than its limit', async () => {
      const limits = { pids: 24 };
      expect(Number((await arena.play(['./attacker threads 40'], { limits })).log)).toBeLessThan(24);
      await arena.without('processes', ['./attacker threads 40'], { limits }, ({ log }) =>
        expect(Number(log)).toBe(40),
      );
    });

    it('opens no more files than a process may', async () => {
      const run = ['ulimit -Sn; ./attacker files 19000'];
      const [usual, most] = (await arena.play(run)).log.split('\n').map(Number);
      expect(usual).toBeLessThanOrEqual(1024);
      expect(most).toBeLessThan(16_384);
      await arena.without('open files', run, {}, ({ log }) =>
        expect(Number(log.split('\n')[1])).toBeGreaterThan(16_384),
      );
    });

    it('writes no core dump, nor has the host’s program for them started', async () => {
      const run = ['cd /tmp && /build/src/attacker core; ls /tmp'];
      expect((await arena.play(run)).log).toBe('no dump\n');
      await arena.without('core dumps', run, {}, ({ log }) => expect(log).toMatch(/^dumped/));
    });

    it.each(['/tmp', '/dev/shm', '$OUT', '$HOME'])('gets no more disk than its limit: %s', async (folder) => {
      const fill = [`head -c 20000000 /dev/zero > ${folder}/f; wc -c < ${folder}/f`];
      const limits = { diskBytes: 8 * MiB };
      const held = await arena.play(fill, { limits });
      expect(held.outcome).toEqual(exited(1));
      expect(held.log).toContain('No space left');
      await arena.without('disk', fill, { limits }, (control) =>
        expect(control).toMatchObject({ outcome: exited(0), log: '20000000\n' }),
      );
    });

    // A guest has it as a drive.
    const hasDisk = arena.tier.kernel === 'guest' || hasLoopDevices;
    it.skipIf(!hasDisk)(
      'gets no more of the host’s disk than its limit, as root with loop devices',
      async () => {
        const limits = { memoryBytes: 32 * MiB, diskBytes: 64 * MiB, seconds: 120 };
        // Fills it, gives half back, and fills it again; with files that are all holes besides.
        const fill = [
          'truncate -s 1T /tmp/holes; rm /tmp/holes; cd /tmp',
          'head -c 40000000 /dev/zero > a; rm a; head -c 80000000 /dev/zero > b; wc -c < b',
        ];
        const attack = async () => {
          const held = await arena.play(fill, { limits });
          expect(held.outcome).toEqual(exited(1));
          expect(held.log).toContain('No space left');
        };
        await arena.beside(attack, () =>
          arena.without('disk file', fill, { limits }, (control) =>
            expect(control).toMatchObject({ outcome: exited(0), log: '80000000\n' }),
          ),
        );
      },
    );

    it('gets no more time than its limit, whatever it left running and whichever signals it ignores', async () => {
      const naps = [uniqueSleep(), uniqueSleep()] as const;
      const late = 1 + 1.2 * arena.tier.timeFactor;
      const trap = `trap '' TERM HUP INT QUIT USR1 USR2 ALRM`;
      const hide = (nap: string) => [
        `(setsid sh -c "${trap}; (setsid sleep ${nap} &); sleep ${nap}" &) ; ${trap}; sleep ${late}; echo late`,
      ];
      const attack = async () => {
        const held = await arena.play(hide(naps[0]), { limits: { seconds: 1 } });
        expect(held).toMatchObject({ outcome: aborted('time'), log: '' });
        expect(await processesWith(naps[0])).toEqual([]);
      };
      await arena.beside(attack, () =>
        arena.without('time', hide(naps[1]), { limits: { seconds: 1 } }, (control) =>
          expect(control).toMatchObject({ outcome: exited(0), log: 'late\n' }),
        ),
      );
      expect(await processesWith(naps[1])).toEqual([]);
    });

    it('gets no more time for having stopped itself', async () => {
      const stop = [`sleep 300 & kill -STOP $!; echo stopped; kill -STOP $$`];
      let seconds = 1;
      let ran: Ran;
      // A busy machine may not come to the first line in a second.
      do {
        ran = await arena.play(stop, { limits: { seconds } });
        expect(ran.outcome).toMatchObject(aborted('time'));
        seconds *= 5;
      } while (ran.log === '' && seconds <= 25);
      expect(ran.log).toBe('stopped\n');
    });

    it('is ended while its owner has it stand still', async () => {
      const nap = uniqueSleep();
      const stop = new AbortController();
      const sandbox = arena.sandbox();
      const running = arena.playOn(sandbox, [`echo go; sleep ${nap}`], {
        signal: stop.signal,
        onLog: () => {
          sandbox.freeze();
          void arena.standsStill().then(() => stop.abort());
        },
      });
      expect(await running).toMatchObject({ outcome: aborted('killed'), log: 'go\n' });
      expect(await processesWith(nap)).toEqual([]);
    });

    it('leaves nothing behind that goes on after it succeeded', async () => {
      const nap = uniqueSleep();
      const daemon = `(setsid sh -c "trap '' TERM HUP; (setsid sleep ${nap} &); : > /tmp/up; sleep ${nap}" &)`;
      const step = `${daemon}; until [ -e /tmp/up ]; do sleep 0.02; done`;
      expect((await arena.play([step], { outputs: ['.'] })).outcome).toEqual(exited(0));
      expect(await processesWith(nap)).toEqual([]);
    });
  });
}
