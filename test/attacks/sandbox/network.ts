import { type NetworkTier, networkArena } from './network/arena.ts';
import { takesWhatItCan } from './network/takes.ts';
import { leavesNothing, usesIt } from './network/uses.ts';
import { wantsMore } from './network/wants-more.ts';
import { looksForAWayPast } from './network/way-past.ts';

/** Attacks of a build with a network, and their outcome. Every target is on this machine's loopback. */
export function networkAttacks(tier: NetworkTier): void {
  const arena = networkArena(tier);
  usesIt(arena);
  looksForAWayPast(arena, tier);
  wantsMore(arena);
  takesWhatItCan(arena, tier);
  leavesNothing(arena);
}
