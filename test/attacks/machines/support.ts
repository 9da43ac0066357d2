import { bugs } from '../../../simulations/bugs.ts';
import { exited, treeCid } from '../../../simulations/paperwork.ts';
import type { ControllerEffect, ControllerEvent } from '../../../src/controller/machine/events.ts';
import { Controller } from '../../../src/controller/machine/machine.ts';
import type { Handled } from '../../../src/protocol/base/durability.ts';
import type { Lease, Outcome, Policy, Verified } from '../../../src/protocol/documents/index.ts';
import { Bench } from '../../controller/machine/bench.ts';

export const right = exited(treeCid('as it should be'));
export const evil = exited(treeCid('with a back door'));

/** Takes a guard off before an event is handled: in the state, or by giving the event that would have passed. */
export type Weakness = (controller: Controller, event: ControllerEvent, now: number) => ControllerEvent;

class Weakened extends Controller {
  readonly #weakness: Weakness;

  constructor(id: string, idp: string, weakness: Weakness) {
    super(id, idp);
    this.#weakness = weakness;
  }

  override handle(event: ControllerEvent, now: number): Handled<ControllerEffect> {
    return super.handle(this.#weakness(this, event, now), now);
  }
}

export type Guard = 'on' | { off: string } | Weakness;

/** A controller that is real, or that has one guard taken off: by a bug of the simulator's, or by a weakness. */
export async function openBench(guard: Guard): Promise<Bench> {
  const bench = new Bench(makerOf(guard));
  await bench.start();
  return bench;
}

function makerOf(guard: Guard): ((id: string, idp: string) => Controller) | undefined {
  if (guard === 'on') return undefined;
  if (typeof guard === 'function') return (id, idp) => new Weakened(id, idp, guard);
  const bug = bugs[guard.off];
  if (bug?.patches === undefined) throw new Error(`no bug is called ${guard.off}`);
  return bug.patches().controller;
}

/** Decides by another policy than the one a request asks for. */
export const decidesBy =
  (policy: Partial<Policy>): Weakness =>
  ({ state }, event) => {
    for (const run of state.runs.values()) {
      const { payload } = run.request;
      run.request = { ...run.request, payload: { ...payload, policy: { ...payload.policy, ...policy } } };
    }
    return event;
  };

/** Takes the first receipt of a round for enough, whatever comes besides or never comes. */
export const believesTheFirst: Weakness = (controller, event, now) => {
  for (const run of controller.state.runs.values())
    run.receipts = run.receipts.map((recorded, slot) => ({ ...recorded, slot }));
  return decidesBy({ agree: 1, of: 1 })(controller, event, now);
};

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
