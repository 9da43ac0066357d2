import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from '../core/errors.ts';
import { meshLimits } from './limits.ts';

/**
 * Dials again, up to `meshLimits.busyTriesMax` times, where a peer takes no more connections now: hosts that start together would fail
 * together. The wait doubles, and is randomized so that they do not come back together. Errors: those of the last dial.
 */
export async function dialPatiently<T>(dial: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await dial();
    } catch (error) {
      if (codeOf(error) !== 'MESH_BUSY' || tries >= meshLimits.busyTriesMax) throw error;
      const ms = meshLimits.busyMs * 2 ** (tries - 1) * (0.5 + Math.random());
      await sleep(ms, undefined, { signal }).catch(() => {});
      if (signal.aborted) throw error;
    }
  }
}
