import { defaultTimings } from '../../src/controller/machine/events.ts';
import { limits } from '../../src/protocol/base/limits.ts';
import { compareTexts } from '../../src/protocol/base/text.ts';
import type { Offer } from '../../src/protocol/documents/index.ts';
import { fullShare } from '../../src/protocol/trust/draw.ts';
import type { Deciding, Given } from './deciding.ts';
import type { Population } from './population.ts';

const { windowMs, detachGraceMs } = defaultTimings;

interface Claimant {
  worker: number;
  operator: number;
  draw: number;
}

/**
 * A round by the draw and the rule of claims alone (`rounds/claims.ts`, `leases.ts` of the controller's machine), for populations whose
 * documents would take minutes to sign. `test/simulations/scale/scale.test.ts` holds that it decides as the machine does.
 */
export class RuleRound implements Deciding {
  readonly given: Given[] = [];
  readonly told: number[] = [];
  readonly #draws: readonly number[];
  readonly #idOf: (worker: number) => string;
  readonly #operatorOf: readonly number[];
  readonly #candidates: Claimant[] = [];
  readonly #slots: (Given | undefined)[];
  /** How often each slot was given. */
  readonly #leases: number[];
  readonly #lost = new Set<number>();
  /** Slots whose worker left, and when they are free. */
  readonly #leaving: { at: number; slot: number }[] = [];
  /** Workers below the first share that have not answered, by their draw. */
  readonly #unanswered: Set<number>;
  readonly #contends: boolean;
  /** Whether there are operators above the first share. */
  readonly #asksMore: boolean;
  #windowOpen = true;

  constructor(
    { machines, operatorOf }: Population,
    draws: readonly number[],
    draw: Offer['draw'],
    { slots, idOf }: { slots: number; idOf: (worker: number) => string },
  ) {
    this.#draws = draws;
    this.#idOf = idOf;
    this.#operatorOf = operatorOf;
    this.#slots = Array.from({ length: slots }, () => undefined);
    this.#leases = this.#slots.map(() => 0);
    const below = machines.flatMap((own, operator) => ((draws[operator] ?? 0) < draw.share ? own : []));
    this.#unanswered = new Set(below);
    this.#contends = below.length > 0;
    this.#asksMore = draw.share < fullShare;
  }

  until(at: number): void {
    for (;;) {
      const [next] = this.#leaving;
      if (next === undefined || next.at > at) break;
      if (this.#windowOpen && windowMs <= next.at) this.#close(windowMs);
      this.#leaving.shift();
      this.#free(next.at, next.slot);
    }
    if (this.#windowOpen && windowMs <= at) this.#close(windowMs);
  }

  answer(at: number, worker: number, pass: boolean): void {
    this.until(at);
    const operator = this.#operatorOf[worker] ?? 0;
    const draw = this.#draws[operator] ?? 0;
    if (!pass) {
      if (this.#lost.has(operator) || this.#has(operator)) return;
      this.#candidates.push({ worker, operator, draw });
    }
    this.#unanswered.delete(worker);
    if (!this.#windowOpen) this.#assign(at);
    else if (this.#isSettled()) this.#close(at);
  }

  leave(at: number, { slot }: Given): void {
    this.#leaving.push({ at: at + detachGraceMs, slot });
    this.#leaving.sort((a, b) => a.at - b.at);
  }

  /** No worker that has yet to answer has a lower draw than those who get the slots. */
  #isSettled(): boolean {
    const draws = [...new Set(this.#candidates.map(({ draw }) => draw))].sort((a, b) => a - b);
    const highest = draws[this.#slots.length - 1] ?? fullShare;
    const claimed = new Set(this.#candidates.map(({ operator }) => operator));
    for (const worker of this.#unanswered) {
      const operator = this.#operatorOf[worker] ?? 0;
      if (!claimed.has(operator) && (this.#draws[operator] ?? 0) < highest) return false;
    }
    return this.#contends;
  }

  #close(at: number): void {
    this.#windowOpen = false;
    this.#assign(at);
    if (this.isFree()) this.told.push(at);
  }

  isFree(): boolean {
    const isFree = (given: Given | undefined, slot: number) =>
      given === undefined && (this.#leases[slot] ?? 0) < limits.slotLeasesMax;
    return !this.#windowOpen && this.#asksMore && this.#slots.some(isFree);
  }

  #has(operator: number): boolean {
    return this.#slots.some((given) => given?.operator === operator);
  }

  #assign(at: number): void {
    for (const [slot, taken] of this.#slots.entries()) {
      if (taken !== undefined || (this.#leases[slot] ?? 0) >= limits.slotLeasesMax) continue;
      const waiting = this.#candidates.filter(
        ({ operator }) => !this.#has(operator) && !this.#lost.has(operator),
      );
      const next = waiting.reduce<Claimant | undefined>(
        (first, other) => (first === undefined || this.#compare(other, first) < 0 ? other : first),
        undefined,
      );
      if (next === undefined) return;
      this.#candidates.splice(this.#candidates.indexOf(next), 1);
      const given = { at, slot, worker: next.worker, operator: next.operator };
      this.#slots[slot] = given;
      this.#leases[slot] = (this.#leases[slot] ?? 0) + 1;
      this.given.push(given);
    }
  }

  #compare(a: Claimant, b: Claimant): number {
    return a.draw - b.draw || compareTexts(this.#idOf(a.worker), this.#idOf(b.worker));
  }

  #free(at: number, slot: number): void {
    const operator = this.#slots[slot]?.operator;
    if (operator !== undefined) this.#lost.add(operator);
    this.#slots[slot] = undefined;
    this.#assign(at);
    // The machine repeats its offer, whoever may claim by now.
    if (this.#slots[slot] === undefined && (this.#leases[slot] ?? 0) < limits.slotLeasesMax)
      this.told.push(at);
  }
}
