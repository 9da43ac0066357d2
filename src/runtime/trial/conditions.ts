import { availableParallelism } from 'node:os';
import type { BuildVariation } from '../build/in-sandbox.ts';

/** Something a build's outputs may depend on, and how a trial makes it different. */
export interface Condition {
  name: string;
  /** What is different, in a few words. */
  says: string;
  /** It is the same on every worker: outputs that depend on it still agree. */
  pinned: boolean;
  varied: BuildVariation;
}

/** The build as it was, once more: what differs then does so on its own. */
export const again: Condition = {
  name: 'again',
  says: 'nothing but the time: clock, random numbers, races',
  pinned: false,
  varied: {},
};

/** In the order in which they are tried: first what workers differ in. Of a job that may keep `cpus` processors busy. */
export function conditions(cpus: number): Condition[] {
  const asked = Math.ceil(cpus);
  const other = asked > 1 ? 1 : 2;
  const pinned = (name: string, says: string, variation: BuildVariation['variation']): Condition => ({
    name,
    says,
    pinned: true,
    varied: { variation },
  });
  return [
    {
      name: 'file-order',
      says: 'folders list their files the other way round',
      pinned: false,
      varied: { reversed: true },
    },
    ...(other <= availableParallelism()
      ? [
          pinned('processors', `${other} processor${other > 1 ? 's' : ''}, not ${asked}`, {
            processors: other,
          }),
        ]
      : []),
    pinned('path', 'source in /build/another-place, not /build/src', { source: 'another-place' }),
    pinned('host-name', 'host name "elsewhere", not "quorate"', { hostName: 'elsewhere' }),
    pinned('user', 'user "somebody" (1234), not "build" (1000)', {
      user: 'somebody',
      uid: 1234,
      home: 'home-of-somebody',
    }),
    pinned('umask', 'umask 077, not 022', { umask: '077' }),
    pinned('time-zone', 'TZ 14 hours east of UTC', { timeZone: 'EAST-14' }),
    pinned('language', 'LANG=C, not C.UTF-8', { language: 'C' }),
  ];
}
