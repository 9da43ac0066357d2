import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { holdsWithin, processesOfJobs, survivors, tarOf, uniqueSleep } from '../support.ts';

import type { Ground } from './ground.ts';

export function endsFromOutside(ground: Ground): void {
  const { play } = ground;
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
      expect(await holdsWithin(60_000, async () => (await survivors(nap)).length === 0)).toBe(true);
    });
  });
}
