import type { Account } from './states.ts';

/** How far a build has come, as it is told. */
export type BuildState = 'building' | 'sealed' | 'lost' | 'revealed';

const open: Record<BuildState, string> = {
  building: 'building',
  sealed: 'done, sealed',
  lost: 'lost',
  revealed: '',
};

/** Text for a build whose result is not shown; once the run is over, no build of it goes on. */
export function buildText(build: BuildState, { over, state }: Pick<Account, 'over' | 'state'>): string {
  if (!over || build === 'lost' || build === 'revealed') return open[build];
  if (state === 'cancelled') return build === 'building' ? 'cancelled' : 'done, cancelled';
  return build === 'building' ? 'not finished, ended with it' : 'done, not shown';
}

/**
 * Each result once: first the one that most operators came to, of equals the one that was told first; one that the trusted worker alone came to is
 * the last. What differs is compared with the first.
 */
export function firstOfMost(builds: readonly { result: string; slot: number | string }[]): string[] {
  const counts = new Map<string, number>();
  const ofOperators = builds.filter(({ slot }) => slot !== 'trusted');
  for (const { result } of ofOperators) counts.set(result, (counts.get(result) ?? 0) + 1);
  const sorted = [...counts].sort(([, a], [, b]) => b - a).map(([result]) => result);
  return [...new Set([...sorted, ...builds.map(({ result }) => result)])];
}
