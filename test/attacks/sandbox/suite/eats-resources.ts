import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { exited, MiB, processesWith, type Ran, uniqueSleep } from '../../../sandbox/support.ts';
import { type Arena, succeeded } from './arena.ts';

const aborted = (reason: string) => ({ kind: 'aborted', reason });

/** Seconds of processor time that the shell's `times` printed. */
const spent = ({ log }: Ran): number =>
  [...log.matchAll(/(\d+)m([\d.]+)s/g)].reduce((sum, [, m, s]) => sum + Number(m) * 60 + Number(s), 0);

const spin =
  'now() { echo $(($(date +%s%N) / 1000000)); }; end=$(($(now) + 800)); while [ $(now) -lt $end ]; do :; done; times';

const CAP_SYS_RESOURCE = 24n;
const mayLowerScores = (): boolean => {
  const capabilities = /^CapEff:\s*(\w+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return ((BigInt(`0x${capabilities}`) >> CAP_SYS_RESOURCE) & 1n) === 1n;
};

export function eatsMemory(arena: Arena): void {
  const limits = { memoryBytes: 48 * MiB, diskBytes: 256 * MiB, seconds: 15 };

  describe('a build that eats memory', () => {
    it.each([
      ['of its own', './attacker heap 100'],
      ['in files', 'head -c 100000000 /dev/zero > /tmp/f; echo still there'],
      ['in shared memory', './attacker shared 100'],
      ['in the buffers of local sockets', './attacker buffers 100'],
      ['in very many empty files', 'mkdir /tmp/d; cd /tmp/d; /build/src/attacker empty 100000'],
    ])('%s', async (_, hog) => {
      expect((await arena.play([hog], { limits })).outcome).toMatchObject(aborted('memory'));
      await arena.without('memory', [hog], { limits }, ({ outcome }) => expect(outcome).toEqual(exited(0)));
    });

    it('and goes on when one of its processes was ended for it: the job is no vote', async () => {
      const hog = ['./attacker heap 100 || true', 'echo made > $OUT/made'];
      const ran = await arena.play(hog, { limits, outputs: ['.'] });
      expect(ran).toMatchObject({ outcome: aborted('memory'), delivered: false });
      await arena.without('memory', hog, { limits, outputs: ['.'] }, (control) =>
        expect(control).toMatchObject({ outcome: exited(0), delivered: true }),
      );
    });

    it('in connections over its own loopback', async () => {
      const hog = ['./attacker connections 100'];
      const held = Number((await arena.play(hog, { limits })).log);
      expect(held).toBeLessThan(48);
      await arena.without('sockets', hog, { limits }, ({ log }) => expect(Number(log)).toBeGreaterThan(80));
    });

    it('that the owner reserved as huge pages, or contexts that the machine has few of', async () => {
      expect(succeeded(await arena.play(['./attacker tables']))).toEqual([]);
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
      const limits = { cpus: 0.1 };
      const held = spent(await arena.play([spin], { limits }));
      await arena.without('cpu', [spin], { limits }, (control) =>
        expect(spent(control)).toBeGreaterThan(held * 1.5),
      );
      expect(held).toBeLessThan(0.3);
    });

    it('does not put itself before the owner’s programs', async () => {
      expect(succeeded(await arena.play(['./attacker priority']))).toEqual([]);
    });

    it('is what the kernel ends first when the machine itself has no memory left', async () => {
      const score = 'cat /proc/self/oom_score_adj';
      expect((await arena.play([score])).log.trim()).toBe(arena.tier.sharesKernel ? '1000' : '0');
      // Only who may lower it can forbid others to: a worker that is not root cannot.
      if (arena.tier.sharesKernel && mayLowerScores()) {
        const lower = `(echo 0 > /proc/self/oom_score_adj) 2>/dev/null || true; ${score}`;
        expect((await arena.play([lower])).log).toBe('1000\n');
      }
    });

    it('gets no more processes than its limit: a fork bomb', async () => {
      const limits = { pids: 24, seconds: 15 };
      const held = await arena.play(['./attacker bomb 120'], { limits });
      expect(Number(/\d+/.exec(held.log)?.[0] ?? 0)).toBeLessThan(24);
      await arena.without('processes', ['./attacker bomb 120'], { limits }, ({ log }) =>
        expect(Number(log)).toBeGreaterThanOrEqual(120),
      );
    });

    it('gets no more threads than its limit', async () => {
      const limits = { pids: 24 };
      expect(Number((await arena.play(['./attacker threads 100'], { limits })).log)).toBeLessThan(24);
      await arena.without('processes', ['./attacker threads 100'], { limits }, ({ log }) =>
        expect(Number(log)).toBe(100),
      );
    });

    it('opens no more files than a process may', async () => {
      const run = ['ulimit -Sn; ./attacker files 19000'];
      const [usual, most] = (await arena.play(run)).log.split('\n').map(Number);
      expect(usual).toBeLessThanOrEqual(1024);
      expect(most).toBeLessThan(16_384);
      await arena.without('process limits', run, {}, ({ log }) =>
        expect(Number(log.split('\n')[1])).toBeGreaterThan(16_384),
      );
    });

    it('writes no core dump, nor has the host’s program for them started', async () => {
      const run = ['cd /tmp && /build/src/attacker core; ls /tmp'];
      expect((await arena.play(run)).log).toBe('no dump\n');
      await arena.without('process limits', run, {}, ({ log }) => expect(log).toMatch(/^dumped/));
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

    it('gets no more time than its limit, whatever it left running and whichever signals it ignores', async () => {
      const nap = uniqueSleep();
      const trap = `trap '' TERM HUP INT QUIT USR1 USR2 ALRM`;
      const hide = [
        `(setsid sh -c "${trap}; (setsid sleep ${nap} &); sleep ${nap}" &) ; ${trap}; sleep 2; echo late`,
      ];
      const held = await arena.play(hide, { limits: { seconds: 1 } });
      expect(held).toMatchObject({ outcome: aborted('time'), log: '' });
      expect(await processesWith(nap)).toEqual([]);
      await arena.without('time', hide, { limits: { seconds: 1 } }, (control) =>
        expect(control).toMatchObject({ outcome: exited(0), log: 'late\n' }),
      );
      expect(await processesWith(nap)).toEqual([]);
    });

    it('gets no more time for having stopped itself', async () => {
      const stop = [`sleep 300 & kill -STOP $!; echo stopped; kill -STOP $$`];
      const ran = await arena.play(stop, { limits: { seconds: 1 } });
      expect(ran).toMatchObject({ outcome: aborted('time'), log: 'stopped\n' });
    });

    it('is ended while its owner has it stand still', async () => {
      const nap = uniqueSleep();
      const stop = new AbortController();
      const sandbox = arena.sandbox();
      const running = arena.playOn(sandbox, [`echo go; sleep ${nap}`], {
        signal: stop.signal,
        onLog: () => {
          sandbox.freeze();
          setTimeout(() => stop.abort(), 300);
        },
      });
      expect(await running).toMatchObject({ outcome: aborted('killed'), log: 'go\n' });
      expect(await processesWith(nap)).toEqual([]);
    });

    it('leaves nothing behind that goes on after it succeeded', async () => {
      const nap = uniqueSleep();
      const daemon = `(setsid sh -c "trap '' TERM HUP; (setsid sleep ${nap} &) ; sleep ${nap}" &)`;
      expect((await arena.play([`${daemon}; sleep 0.2`], { outputs: ['.'] })).outcome).toEqual(exited(0));
      expect(await processesWith(nap)).toEqual([]);
    });
  });
}
