import { assert } from '../base/errors.ts';
import type { Policy } from '../documents/index.ts';
import { cosignersOf } from '../judge/policy.ts';
import { trustLimits } from './limits.ts';

/**
 * Exact odds of a policy against operators that act as one party, in a draw by chance. An operator is an invite: the number of its
 * hosts and keys changes nothing, since all of them have one draw and one vote.
 */
export interface Population {
  /** Operators that are there and may take a slot. */
  operators: number;
  /** Of these, the ones of the party. */
  dishonest: number;
}

export type Odds = ReturnType<typeof oddsOf>;

/** Leases of a slot while the party is silent until each of its leases ends: after the first there is time for one more. */
const silentLeases = 2;

/** Probabilities between 0 and 1, of one run. Where not said otherwise the party delivers one tampered result from every slot it gets. */
export function oddsOf(policy: Policy, population: Population) {
  const { operators, dishonest } = population;
  assert(Number.isInteger(operators) && operators <= trustLimits.oddsOperatorsMax, 'operators are bounded');
  assert(Number.isInteger(dishonest) && dishonest >= 0 && dishonest <= operators, 'the party is among them');
  const cosigned = cosignersOf(policy) > 0;
  const { agree } = policy;
  const wins = (drawn: number) => drawn >= agree;
  const accepted = (drawn: number, asked: number) => asked - drawn >= agree;
  // Without a co-signature a tampered artifact ends the run.
  const goesOn = (drawn: number, asked: number) => !accepted(drawn, asked) && (cosigned || !wins(drawn));
  const chance = (event: boolean) => (event ? 1 : 0);

  const asked = Math.min(policy.of, operators);
  const agreedInRound = firstRound(policy, population, (drawn) => chance(wins(drawn)));
  const noticed = firstRound(policy, population, (drawn) => chance(wins(drawn) && drawn < asked));
  const agreed = agreedOdds(policy, population);
  const honest = overRounds(policy, population, (drawn, of) => ({
    value: chance(accepted(drawn, of)),
    goesOn: goesOn(drawn, of),
  }));
  const blocked = overRounds(policy, population, (drawn, of) => ({
    value: chance(!accepted(drawn, of) && !goesOn(drawn, of)),
    goesOn: goesOn(drawn, of),
    last: 1,
  }));
  const operatorBuilds = overRounds(policy, population, (drawn, of) => ({
    value: of,
    goesOn: goesOn(drawn, of),
  }));
  return {
    /** Operators asked in the first round: `of`, or all where there are fewer. Slots that nobody can take expire. */
    asked,
    /** A tampered artifact is agreed upon in the first round: the party has `agree` of its slots, or more. */
    agreedInRound,
    /** The same in any of the rounds. Operators that delivered are not asked again. */
    agreed,
    /** A tampered artifact becomes trusted. 0 with a co-signature, while the party holds no trusted worker. */
    trusted: cosigned ? 0 : agreed,
    /** The same where the party also holds the trusted worker: it contradicts each honest result, so that all rounds take place. */
    trustedIfTakenOver: cosigned
      ? bounded(
          overRounds(policy, population, (drawn) => ({ value: chance(wins(drawn)), goesOn: !wins(drawn) })),
        )
      : agreed,
    /** An agreed tampered artifact of the first round has a dissent beside it, from an honest operator or the trusted worker. Null: none can be agreed. */
    noticed: agreedInRound === 0 ? null : cosigned ? 1 : bounded(noticed / agreedInRound),
    /** Honest operators do not reach `agree` in the first round, as the party holds too many slots. */
    blockedInRound: firstRound(policy, population, (drawn) => chance(!accepted(drawn, asked))),
    /** The honest result is not accepted in any round. A contradiction by the trusted worker opens a further round. */
    blocked: bounded(blocked),
    /** The honest result is not accepted in any round, where the party takes slots and delivers nothing. */
    stalled: stalledOdds(policy, population),
    /** Fewer honest operators than have to agree: no honest result is ever accepted. */
    lacking: operators - dishonest < agree,
    /** Expected builds, the trusted worker's included, for each accepted honest artifact. Null: none is accepted. */
    builds: honest === 0 ? null : (operatorBuilds + cosignersOf(policy)) / honest,
  };
}

/** The chance that a tampered artifact is agreed upon in any round. */
export function agreedOdds(policy: Policy, population: Population): number {
  const { agree } = policy;
  return bounded(
    overRounds(policy, population, (drawn, asked) => ({
      value: drawn >= agree ? 1 : 0,
      goesOn: drawn < agree && asked - drawn < agree,
    })),
  );
}

/** How many operators may be dishonest while the chance that a tampered artifact is agreed upon stays at `risk` or below. */
export function dishonestMax(policy: Policy, operators: number, risk: number): number {
  let [holds, fails] = [0, operators + 1];
  while (fails - holds > 1) {
    const dishonest = Math.floor((holds + fails) / 2);
    if (agreedOdds(policy, { operators, dishonest }) <= risk) holds = dishonest;
    else fails = dishonest;
  }
  return holds;
}

/** The hypergeometric distribution: of `asked` operators drawn without replacement, `drawn` are the party's. */
export function drawOdds({ operators, dishonest }: Population, asked: number, drawn: number): number {
  const others = asked - drawn;
  if (drawn < 0 || others < 0 || drawn > dishonest || others > operators - dishonest) return 0;
  // C(asked, drawn) orders, each a product of factors of at most 1: exact to some units of the last digit, for any population.
  let odds = 1;
  for (let i = 0; i < drawn; i++)
    odds *= (((asked - i) / (drawn - i)) * (dishonest - i)) / (operators - others - i);
  for (let i = 0; i < others; i++) odds *= (operators - dishonest - i) / (operators - i);
  return odds;
}

function firstRound(policy: Policy, population: Population, value: (drawn: number) => number): number {
  const once = { ...policy, rounds: 1 };
  return bounded(overRounds(once, population, (drawn) => ({ value: value(drawn), goesOn: false })));
}

/**
 * The expected sum of `value` over the rounds of a run, and of `last` where it would go on and no further round opens. Each round takes
 * operators that no earlier one had.
 */
function overRounds(
  { agree, of, rounds }: Policy,
  population: Population,
  ofRound: (drawn: number, asked: number) => { value: number; goesOn: boolean; last?: number },
): number {
  const known = new Map<string, number>();
  const from = (round: number, { operators, dishonest }: Population): number => {
    const key = `${round} ${dishonest}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    const asked = Math.min(of, operators);
    let sum = 0;
    for (let drawn = 0; drawn <= asked; drawn++) {
      const odds = drawOdds({ operators, dishonest }, asked, drawn);
      if (odds === 0) continue;
      const { value, goesOn, last = 0 } = ofRound(drawn, asked);
      const left = { operators: operators - asked, dishonest: dishonest - drawn };
      const more = goesOn && round < rounds && left.operators >= agree;
      sum += odds * (value + (more ? from(round + 1, left) : goesOn ? last : 0));
    }
    known.set(key, sum);
    return sum;
  };
  return from(1, population);
}

/** The chance that honest operators never reach `agree`, where the others are silent. Who is silent may be asked again in the next round. */
function stalledOdds({ agree, of, rounds }: Policy, { operators, dishonest }: Population): number {
  const known = new Map<string, number>();
  const delivering = new Map<number, number[]>();
  const deliveredBy = (honest: number): number[] => {
    const odds = delivering.get(honest) ?? deliveredOdds(of, { operators: honest + dishonest, dishonest });
    delivering.set(honest, odds);
    return odds;
  };
  const from = (round: number, honest: number): number => {
    const all = honest + dishonest;
    // Silent operators count as there: a round opens while enough have no receipt.
    if (round > rounds || (round > 1 && all < agree)) return 1;
    const key = `${round} ${honest}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    let sum = 0;
    for (const [delivered, odds] of deliveredBy(honest).entries())
      if (delivered < agree && odds > 0) sum += odds * from(round + 1, honest - delivered);
    known.set(key, sum);
    return sum;
  };
  return bounded(from(1, operators - dishonest));
}

/** How likely 0, 1, … `of` slots get an honest result in one round. Slots of silent operators are leased again, to others. */
function deliveredOdds(of: number, { operators, dishonest }: Population): number[] {
  // By honest results, then by silent operators so far. Slots are taken one after the other: the order of the draw makes no difference.
  let before = table(of);
  add(before, 0, 0, 1);
  for (let slot = 0; slot < of; slot++) {
    const after = table(of);
    for (let delivered = 0; delivered <= slot; delivered++)
      for (let silent = 0; silent <= slot * silentLeases; silent++) {
        let failing = before[delivered]?.[silent] ?? 0;
        let leases = 0;
        for (; leases < silentLeases && failing > 0; leases++) {
          const left = operators - delivered - silent - leases;
          if (left === 0) break;
          const share = (dishonest - silent - leases) / left;
          add(after, delivered + 1, silent + leases, failing * (1 - share));
          failing *= share;
        }
        if (failing > 0) add(after, delivered, silent + leases, failing);
      }
    before = after;
  }
  return before.map((row) => row.reduce((sum, odds) => sum + odds, 0));
}

const table = (of: number): number[][] =>
  Array.from({ length: of + 1 }, () => new Array<number>(of * silentLeases + 1).fill(0));

function add(sums: number[][], delivered: number, silent: number, odds: number): void {
  const row = sums[delivered];
  if (row !== undefined && odds > 0) row[silent] = (row[silent] ?? 0) + odds;
}

/** A sum of all cases may be less than 1 by some units of the last digit. */
const bounded = (odds: number): number => (odds > 1 - 1e-12 ? 1 : odds);
