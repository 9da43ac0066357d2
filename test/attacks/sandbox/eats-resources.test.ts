import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guards } from '../../../sandbox/namespace/guards.ts';
import {
  exited,
  MiB,
  play,
  processesWith,
  smallLimits,
  tempFolder,
  uniqueSleep,
} from '../../sandbox/support.ts';
import { cgroupWithout, sandboxWith } from './support.ts';

describe('a build that eats CPU, memory, disk, processes or time', () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  beforeAll(async () => {
    folder = await tempFolder();
  });
  afterAll(() => folder.remove());

  it('gets no more of the processor than its limit', async () => {
    const spin =
      'end=$(($(date +%s%N) / 1000000 + 800)); while [ $(($(date +%s%N) / 1000000)) -lt $end ]; do :; done; times';
    const attack = async (weakened = {}) => {
      const { log } = await play(sandboxWith(folder.path, weakened), [spin], { limits: { cpus: 0.04 } });
      return [...log.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
        (sum, [, m, s]) => sum + Number(m) * 60 + Number(s),
        0,
      );
    };
    expect(await attack()).toBeLessThan(0.09);
    expect(await attack(cgroupWithout('cpu'))).toBeGreaterThan(0.09);
  });

  it('gets no more memory than its limit', async () => {
    const hog = 'head -c 80000000 /dev/zero | tail -c 80000000 | wc -c';
    const attack = async (weakened = {}) =>
      play(sandboxWith(folder.path, weakened), [hog], { limits: { memoryBytes: 32 * MiB } });
    expect((await attack()).outcome).toMatchObject({ kind: 'aborted', reason: 'memory' });
    expect(await attack(cgroupWithout('memory'))).toMatchObject({ outcome: exited(0), log: '80000000\n' });
  });

  it('gets no more disk than its limit', async () => {
    const fill = 'head -c 20000000 /dev/zero > /tmp/f; wc -c < /tmp/f';
    const limits = { diskBytes: 8 * MiB };
    expect((await play(sandboxWith(folder.path), [fill], { limits })).outcome).toEqual(exited(1));
    const control = sandboxWith(folder.path, {
      disk: () => ['--tmpfs', '/build', '--symlink', 'build/tmp', '/tmp', '--tmpfs', '/dev/shm'],
    });
    expect(await play(control, [fill], { limits })).toMatchObject({ outcome: exited(0), log: '20000000\n' });
  });

  it('gets no more processes than its limit', async () => {
    const crowd = 'i=0; while [ $i -lt 30 ]; do sleep 9 & i=$((i+1)); done; ls -d /proc/[0-9]* | wc -l';
    const limits = { pids: 16 };
    const guarded = await play(sandboxWith(folder.path), [crowd], { limits });
    expect(guarded.outcome).not.toEqual(exited(0));
    expect(guarded.log).toMatch(/fork/i);
    const control = await play(sandboxWith(folder.path, cgroupWithout('pids')), [crowd], { limits });
    expect(control.outcome).toEqual(exited(0));
    expect(Number(control.log)).toBeGreaterThan(30);
  });

  it('gets no more time than its limit, whatever it left running', async () => {
    const nap = uniqueSleep();
    const hide = `(setsid sh -c "trap '' TERM HUP INT; sleep ${nap}" &) ; sleep 1; echo late`;
    const limits = { seconds: 0.4 };
    const guarded = await play(sandboxWith(folder.path), [hide], { limits });
    expect(guarded).toMatchObject({ outcome: { kind: 'aborted', reason: 'time' }, log: '' });
    expect(await processesWith(nap)).toEqual([]);
    const control = await play(sandboxWith(folder.path, { deadlineMs: () => 20_000 }), [hide], { limits });
    expect(control).toMatchObject({ outcome: exited(0), log: 'late\n' });
    expect(await processesWith(nap)).toEqual([]);
  });

  it('cannot flood the worker through a sparse output', async () => {
    const flood = 'truncate -s 100000000 $OUT/sparse';
    let bytes = 0;
    const attack = (weakened = {}) => {
      bytes = 0;
      return play(sandboxWith(folder.path, weakened), [flood], {
        limits: { diskBytes: 8 * MiB },
        outputs: ['.'],
        onOutputs: async (tar) => {
          for await (const chunk of tar as AsyncIterable<Uint8Array>) bytes += chunk.byteLength;
        },
      });
    };
    expect((await attack()).outcome).toMatchObject({ kind: 'aborted', reason: 'disk' });
    expect(bytes).toBeLessThanOrEqual(guards.outputBytesMax({ ...smallLimits, diskBytes: 8 * MiB }));
    const control = await attack({ outputBytesMax: () => Number.POSITIVE_INFINITY });
    expect(control.outcome).toEqual(exited(0));
    expect(bytes).toBeGreaterThan(100_000_000);
  });
});
