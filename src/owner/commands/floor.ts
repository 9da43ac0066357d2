import { InvalidArgumentError } from 'commander';
import { counted } from '../../protocol/base/quantity.ts';
import type { Charter, Policy } from '../../protocol/documents/index.ts';
import { documentLimits } from '../../protocol/documents/limits.ts';
import { cosignersOf, type Weakness, weaknessesOf } from '../../protocol/judge/policy.ts';
import { notCosigned } from '../../protocol/trust/not-cosigned.ts';
import type { FloorChange } from '../project-folder.ts';

const form = 'Give it as 2/3+cosign, 2/3, or 3/5+cosign+rounds=4.';

/** Parses a policy floor, `N/M[+cosign][+rounds=R]`: N of M operators agree, the trusted worker signs, in R rounds at most. */
export function floorValue(text: string): FloorChange {
  const [votes = '', ...parts] = text.split('+');
  const [, n, m] = /^([1-9]\d{0,2})\/([1-9]\d{0,2})$/.exec(votes) ?? [];
  if (n === undefined || m === undefined) throw new InvalidArgumentError(form);
  const [agree, of] = [Number(n), Number(m)];
  const wrong = votesWrong(agree, of);
  if (wrong !== undefined) throw new InvalidArgumentError(wrong);
  const floor: FloorChange = { agree, of, cosign: 'none' };
  for (const [at, part] of parts.entries()) {
    const [key = ''] = part.split('=');
    if (parts.findIndex((one) => one.split('=')[0] === key) !== at)
      throw new InvalidArgumentError(`"${key}" is there twice.`);
    if (part === 'cosign') floor.cosign = 'required';
    else if (key === 'rounds') floor.rounds = roundsOf(part);
    else throw new InvalidArgumentError(`"${part}" is neither cosign nor rounds=R. ${form}`);
  }
  return floor;
}

/** Why `agree` of `of` operators is no policy. */
export function votesWrong(agree: number, of: number): string | undefined {
  if (of > documentLimits.slotsMax) return `At most ${documentLimits.slotsMax} operators can be asked.`;
  if (agree > of) return `${agree} of ${of} operators cannot agree.`;
  if (2 * agree <= of)
    return `Twice ${agree} must exceed ${of}: else two groups of one round could each agree on something else.`;
  return undefined;
}

function roundsOf(part: string): number {
  const rounds = Number(/^rounds=([1-9]\d?)$/.exec(part)?.[1] ?? 0);
  if (rounds < 1 || rounds > documentLimits.roundsMax)
    throw new InvalidArgumentError(`Give from 1 to ${documentLimits.roundsMax} rounds, such as rounds=2.`);
  return rounds;
}

type Floors = Pick<Charter, 'floor' | 'testFloor'>;

export function sayFloors({ floor, testFloor = floor }: Floors): string[] {
  const say = (policy: Policy, what: string) => {
    const { agree, of, rounds } = policy;
    const isCosigned = cosignersOf(policy) > 0;
    return `${agree} of ${of} operators${isCosigned ? ' and the co-signature' : ''}, in ${rounds} round${rounds === 1 ? '' : 's'} at most${
      isCosigned ? '' : `. ${what} also when ${notCosigned}`
    }`;
  };
  return [
    `Every job needs at least ${say(floor, 'What it makes counts')}.`,
    `Tests (kind: test) need at least ${say(testFloor, 'Their results count')}.`,
  ];
}

/** Guarantees that are lost where a floor is lower than before, one sentence each. */
export function lostBy(now: Floors, before: Floors): { floor: string[]; testFloor: string[] } {
  const jobs: Record<Weakness, string> = {
    agree: `the same result of ${counted(now.floor.agree, 'operator')} may be enough, instead of ${before.floor.agree}: so few who collude, or whose hosts were taken, have their own artifact agreed on.`,
    of: `${now.floor.of} operators may be asked where ${now.floor.agree} must agree, instead of ${before.floor.of} where ${before.floor.agree} must: those of an attacker are more likely to be drawn.`,
    cosign:
      'no co-signature is needed: whoever holds the controller can invent the operators that agree, and so forge every artifact of a job that asks for none. Your trusted worker does not build these jobs any more.',
    rounds: `a job may take ${now.floor.rounds} rounds instead of ${before.floor.rounds}: each is another chance for an attacker's operators to be drawn.`,
  };
  const [test, was] = [now.testFloor ?? now.floor, before.testFloor ?? before.floor];
  const tests: Record<Weakness, string> = {
    agree: `the word of ${counted(test.agree, 'operator')} may be enough, instead of ${was.agree}: so few who collude pass a test that fails.`,
    of: `${test.of} operators may be asked where ${test.agree} must agree, instead of ${was.of} where ${was.agree} must: those of an attacker are more likely to be drawn.`,
    cosign:
      'no co-signature is needed: whoever holds the controller can forge that a test passed. What tests make is never an artifact.',
    rounds: `a test may take ${test.rounds} rounds instead of ${was.rounds}: each is another chance for an attacker's operators to be drawn.`,
  };
  return {
    floor: weaknessesOf(now.floor, before.floor).map((one) => `Every job: ${jobs[one]}`),
    testFloor: weaknessesOf(test, was).map((one) => `Tests: ${tests[one]}`),
  };
}
