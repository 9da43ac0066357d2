import { describe, expect, it } from 'vitest';
import { exited, MiB, survivors, tarOf, uniqueSleep } from '../support.ts';

import type { Ground } from './ground.ts';

export function limitsHold(ground: Ground): void {
  const { play } = ground;
  describe('limits', () => {
    it('hold memory: the job is no vote even if it carried on', async () => {
      const ran = await play(['dd if=/dev/zero of=/dev/null bs=250000000 count=1 || true', 'exit 0'], {
        limits: { memoryBytes: 32 * MiB },
        outputs: ['.'],
      });
      expect(ran).toMatchObject({
        outcome: { kind: 'aborted', reason: 'memory', limit: 'memoryBytes' },
        delivered: false,
      });
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
      expect(ran.outcome).toMatchObject({ kind: 'aborted', reason: 'time', limit: 'seconds' });
      expect(await survivors(nap)).toEqual([]);
    });

    it('hold processes: a fork bomb only hurts itself', async () => {
      const bomb = 'b() { b | b & }; b; sleep 0.3; ls -d /proc/[0-9]* | wc -l';
      const ran = await play([bomb], { limits: { pids: 32, seconds: 3, cpus: 0.5 } });
      expect(Number(/^\d+$/m.exec(ran.log)?.[0] ?? 0)).toBeLessThanOrEqual(32);
    });

    it('hold the processor', async () => {
      // The clock of a sandbox may not know when it stood still: the host's kernel is asked.
      let began: { clock: number; spent: number } | undefined;
      const now = () => ({ clock: performance.now() / 1000, spent: ground.sandbox.processorSeconds() });
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
      expect(ended.spent).toBeGreaterThan(0);
      // A fifth, twice that for clocks that differ, and what periods at both ends add. A late look at its beginning leaves little to see.
      const used = ended.spent - (began?.spent ?? 0);
      expect(used).toBeLessThan(0.4 * (ended.clock - (began?.clock ?? 0)) + 0.1);
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

    it('hold a disk larger than memory: what is written there is no memory', async () => {
      // Above the memory of the job and of each tier's own.
      const limits = { memoryBytes: 32 * MiB, diskBytes: 256 * MiB, seconds: 120 };
      const write =
        'head -c 200000000 /dev/zero > /tmp/f; wc -c < /tmp/f; ls -A /build; head -c 99000000 /dev/zero > $OUT/f';
      const ran = await play([write], { limits });
      if (!ground.sandbox.abilities.disk)
        return expect(ran.outcome).toMatchObject({ kind: 'aborted', reason: 'memory' });
      expect(ran.outcome).toEqual(exited(1));
      expect(ran.log).toMatch(/^200000000\nhome\nin\nout\nsrc\ntmp\n.*No space left on device/);
    });

    it('hold the disk before the first step too', async () => {
      const source = tarOf([{ name: 'big', content: 'x'.repeat(3 * MiB) }]);
      const ran = await play(['true'], { source, limits: { diskBytes: 2 * MiB } });
      expect(ran.outcome).toMatchObject({ kind: 'aborted', reason: 'disk', limit: 'diskBytes' });
    });

    it('hold the size of what comes out', async () => {
      const ran = await play(['truncate -s 20G $OUT/sparse'], { outputs: ['.'] });
      expect(ran.outcome).toMatchObject({ kind: 'aborted', reason: 'disk', limit: 'diskBytes' });
    });
  });
}
