import { uptime } from 'node:os';

/** How often it is looked whether the host slept. */
const lookMs = 1_000;
/** `uptime` has steps of 10 ms and is read a little later. */
const sleepMsMin = 2_000;

/**
 * Milliseconds since an arbitrary start, the sleep of the host included, for which `performance.now` stands still and `uptime`
 * (CLOCK_BOOTTIME) does not. Setting the wall clock changes neither.
 */
export function steadyTime(
  fine: () => number = () => performance.now(),
  sinceBootSeconds: () => number = uptime,
): () => number {
  let slept = 0;
  let looked = fine();
  const ahead = () => sinceBootSeconds() * 1000 - fine();
  const atStart = ahead();
  return () => {
    const now = fine();
    // A host that slept has a later uptime at once, and nothing is due before its first look.
    if (now - looked >= lookMs || now < looked) {
      looked = now;
      const more = ahead() - atStart - slept;
      if (more >= sleepMsMin) slept += more;
    }
    return now + slept;
  };
}
