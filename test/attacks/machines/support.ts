import { type Bug, bugs } from '../../../simulations/bugs.ts';
import { exited, treeCid } from '../../../simulations/paperwork.ts';
import type { Lease, Outcome, Policy, Verified } from '../../../src/core/documents/index.ts';
import { Bench } from '../../core/controller/bench.ts';

export const right = exited(treeCid('as it should be'));
export const evil = exited(treeCid('with a back door'));

/** A controller that is real, or that has one guard taken off. */
export async function openBench(guard: 'on' | { off: string }): Promise<Bench> {
  const bug: Bug | undefined = guard === 'on' ? undefined : bugs[guard.off];
  if (guard !== 'on' && bug === undefined) throw new Error(`no bug is called ${guard.off}`);
  const bench = new Bench(bug?.patches().controller);
  await bench.start();
  return bench;
}

/** A round in which each of these hosts delivers what is said beside it; the bytes can be had. */
export async function playRound(bench: Bench, run: string, says: Record<string, Outcome>): Promise<void> {
  const leases = await bench.lease(...Object.keys(says));
  await deliver(bench, leases, says);
  bench.drive(120_000);
  if (bench.run(run).phase.kind === 'pinning') bench.pinned(run);
}

export async function deliver(
  bench: Bench,
  leases: ReadonlyMap<string, Verified<Lease>>,
  says: Record<string, Outcome>,
): Promise<void> {
  for (const [key, lease] of leases) await bench.deliver(key, lease, says[key] ?? right);
}

/** Whether the attacker's artifact is trusted. */
export function isTrusted(bench: Bench, run: string, outcome: Outcome = evil): boolean {
  const { level, outcome: reached } = bench.result(run);
  return level === 'trusted' && JSON.stringify(reached) === JSON.stringify(outcome);
}

export const twoOfThree: Policy = { agree: 2, of: 3, cosign: 'none', rounds: 1 };
