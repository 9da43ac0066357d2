import { availableParallelism } from 'node:os';
import type { BuildVariation } from '../../execution/in-sandbox.ts';

/** A property of the environment that outputs may depend on, and how a trial varies it. */
export interface Condition {
  name: string;
  /** Description of the difference. */
  says: string;
  /** Whether the profile fixes it on every worker, so that outputs that depend on it still agree. */
  pinned: boolean;
  varied: BuildVariation;
}

/** The same build again. Outputs that differ are not deterministic. */
export const again: Condition = {
  name: 'again',
  says: 'nothing but the time: clock, random numbers, races',
  pinned: false,
  varied: {},
};

/** All conditions in order of trial, those that differ between workers first. `cpus` is the job's limit. */
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
