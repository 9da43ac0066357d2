import { counted } from '../base/quantity.ts';
import { cosigning, cosignKinds } from '../documents/cosign.ts';
import type { Policy } from '../documents/index.ts';
import { documentLimits } from '../documents/limits.ts';
import { cosignersOf } from '../judge/policy.ts';
import { dishonestMax, type Odds, oddsOf, type Population } from './odds.ts';

export type PolicyOdds = ReturnType<typeof policyOdds>;
export type SharedOdds = ReturnType<typeof oddsByShare>[number];

/** Risk that `bears` is told for, where nobody names one. */
export const riskDefault = 0.01;

const suspectShares: readonly number[] = [0.1, 0.2, 0.33, 0.5];

/** Votes that policies are compared with: N, and M operators asked. */
const commonVotes: readonly (readonly [agree: number, of: number])[] = [
  [1, 1],
  [2, 2],
  [2, 3],
  [3, 5],
  [4, 7],
];

export function policyOdds(policy: Policy, population: Population, risk: number) {
  return {
    policy,
    odds: oddsOf(policy, population),
    /** Operators that may be dishonest while a tampered artifact is agreed upon with the chance `risk` at most. */
    bears: dishonestMax(policy, population.operators, risk),
  };
}

/** Odds of a policy where each of `suspectShares` of the operators is dishonest. */
export function oddsByShare(policy: Policy, operators: number) {
  return suspectShares.map((share) => {
    const dishonest = dishonestOf(operators, share);
    return { share, dishonest, odds: oddsOf(policy, { operators, dishonest }) };
  });
}

/** A share of operators as a number of them: rounded up, for an attacker is no part of a person. */
export const dishonestOf = (operators: number, share: number): number =>
  // Without the correction 10 % of 30 would be 4: 30 · 0.1 is a little more than 3.
  Math.min(operators, Math.max(0, Math.ceil(operators * share - 1e-9)));

/** Policies to compare, those first that are co-signed. Ones that ask more operators than there are, are left out. */
export function commonPolicies(
  operators: number,
  { cosign, rounds }: { cosign: Policy['cosign'] | undefined; rounds: number },
): Policy[] {
  const kinds = cosign === undefined ? cosignKinds : [cosign];
  const votes = commonVotes.filter(([, of]) => of <= operators);
  return kinds.flatMap((kind) => votes.map(([agree, of]) => ({ agree, of, cosign: kind, rounds })));
}

/**
 * The policy with the fewest builds under which a tampered artifact is trusted with the chance `risk` at most, where the trusted worker is
 * not asked, or taken over; undefined: there is none.
 */
export function cheapestPolicy(
  population: Population,
  { risk, rounds, cosign }: Pick<Policy, 'rounds' | 'cosign'> & { risk: number },
): Policy | undefined {
  const { operators, dishonest } = population;
  for (let agree = 1; ; agree++) {
    // M = 2N - 1: with fewer slots each absent operator blocks a job.
    const of = 2 * agree - 1;
    if (of > Math.min(operators, documentLimits.slotsMax) || agree > operators - dishonest) return undefined;
    const policy: Policy = { agree, of, cosign, rounds };
    if (oddsOf(policy, population).trustedIfTakenOver <= risk) return policy;
  }
}

/** `2/3+cosign`, as `charter set --floor` takes it; rounds where they are not `rounds`. */
export const policyText = (policy: Policy, rounds?: number): string =>
  `${policy.agree}/${policy.of}${cosigning[policy.cosign].asFloor}${policy.rounds === rounds ? '' : `+rounds=${policy.rounds}`}`;

/** A probability: `0`, `<0.01%`, `0.23%`, `4.5%`, `13%`, `>99%`, `100%`. Rounded to neither of the ends. */
export function oddsText(odds: number): string {
  const percent = odds * 100;
  if (odds === 0 || odds === 1) return odds === 0 ? '0' : '100%';
  if (percent < 0.01) return '<0.01%';
  if (percent > 99) return '>99%';
  return `${Number(percent.toFixed(percent < 0.995 ? 2 : percent < 9.95 ? 1 : 0))}%`;
}

/** Heads of `oddsCells`, each with its meaning. */
export const oddsColumns = (risk: number) =>
  [
    ['agreed', 'a tampered artifact gets the votes, if the suspects try'],
    ['trusted', 'it counts as trusted; never with a co-signature, while the trusted worker is yours'],
    ['seen', 'somebody contradicts such an artifact (-: there is none)'],
    ['blocked', 'the honest artifact is not accepted, if the suspects lie'],
    ['builds', 'for each accepted honest artifact'],
    ['bears', `operators that may be dishonest, with agreed at most ${oddsText(risk)}`],
  ] as const;

/** Cells of a row, for the columns before `bears`. */
export const oddsCells = (odds: Odds): string[] => [
  oddsText(odds.agreed),
  oddsText(odds.trusted),
  odds.noticed === null ? '-' : oddsText(odds.noticed),
  oddsText(odds.blocked),
  odds.builds === null ? '-' : odds.builds.toFixed(1),
];

export const suspectsText = ({ share, dishonest }: SharedOdds): string => `${oddsText(share)} (${dishonest})`;

/** Sentences on a policy: the attacks that it holds against. */
export function sayOdds(
  { policy, odds, bears }: PolicyOdds,
  { operators }: Population,
  risk: number,
): string[] {
  const cosigned = cosignersOf(policy) > 0;
  const { agree, of } = policy;
  const votes = oddsText(odds.agreed);
  return [
    ...(odds.asked < of ? [`Only ${odds.asked} of the ${of} slots of a round can be taken.`] : []),
    odds.agreed === 0
      ? `A tampered artifact never gets the ${counted(agree, 'vote')} that it needs.`
      : `A tampered artifact gets the ${counted(agree, 'vote')} that it needs in ${votes} of the jobs in which they try.`,
    ...(odds.agreed === 0
      ? []
      : cosigned
        ? [
            `It is not trusted: your trusted worker builds too, contradicts it, and that is an alarm. Were the trusted worker taken over as well, ${oddsText(odds.trustedIfTakenOver)} would be trusted.`,
          ]
        : [
            `It is trusted then, as no co-signature is asked for. Beside ${oddsText(odds.noticed ?? 0)} of these an honest operator has another result, which is in the evidence and in the comparison; it does not stop them.`,
          ]),
    odds.lacking
      ? `The honest artifact is never accepted while they lie: ${counted(agree, 'operator')} must agree, and so many honest ones are not there.`
      : odds.blocked === 0
        ? 'They cannot keep the honest artifact from being accepted.'
        : `The honest artifact is not accepted in ${oddsText(odds.blocked)} of the jobs if they lie, and in ${oddsText(odds.stalled)} if they are silent.`,
    ...(odds.builds === null
      ? []
      : [
          `Each accepted honest artifact takes ${odds.builds.toFixed(1)} builds${cosigned ? ", the trusted worker's included" : ''}.`,
        ]),
    `Tampering gets the votes in more than ${oddsText(risk)} of the jobs once more than ${bears} of ${counted(operators, 'operator')} are dishonest.`,
  ];
}

/** Sentences on the policy to choose. */
export function adviceOn(
  population: Population,
  { risk, rounds }: { risk: number; rounds: number },
): string[] {
  const { operators, dishonest } = population;
  const signed: Policy = {
    ...(operators < 3 ? { agree: operators, of: operators } : { agree: 2, of: 3 }),
    cosign: 'required',
    rounds,
  };
  const { blocked } = oddsOf(signed, population);
  const build = policyText(signed, rounds);
  const block = blocked === 0 ? '' : ` They can block it in ${oddsText(blocked)} of the jobs.`;
  const builds = `Where bytes are used: ${build}. Nothing tampered is trusted while your trusted worker is yours, whatever the operators do.${block}`;
  const few =
    operators < 3
      ? ['Invite more operators: of fewer than three, one that lies or is away stops every job.']
      : [];
  if (dishonest === 0) return [builds, ...few];
  const within = `${oddsText(risk)} of the jobs`;
  const unsigned = cheapestPolicy(population, { risk, rounds, cosign: 'none' });
  const taken = cheapestPolicy(population, { risk, rounds, cosign: 'required' });
  const test = unsigned === undefined ? build : policyText(unsigned, rounds);
  return [
    builds,
    taken === undefined
      ? `Should the trusted worker be taken over too, no policy keeps tampering at ${within}: too large a part of the operators is suspect.`
      : `Should the trusted worker be taken over too, ${policyText(taken, rounds)} keeps tampering at ${within} or below.`,
    unsigned === undefined
      ? 'Without the co-signature no policy does. Ask for it for tests too, or invite operators that you know.'
      : `Without the co-signature, as for tests: ${test} does.`,
    ...few,
    `A job asks for it under trust in quorate.yaml. The least for all: quorate charter set --floor ${build} --test-floor ${test}`,
  ];
}

/** Attacks that none of these figures covers. */
export const uncovered: readonly string[] = [
  'An operator is an invite. One person with two invites is two operators here: count the suspects by people.',
  'Operators that are away take no slot: count those that are there on a bad day.',
  'Whoever holds the controller can invent operators and choose who is drawn: only the co-signature holds against that.',
  'An owner, publisher or source that was bribed or taken over gets what it asks for: all build it alike, and all agree.',
];
