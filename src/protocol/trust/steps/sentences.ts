import { counted } from '../../base/quantity.ts';
import { recipeText } from '../../base/recipe-name.ts';
import type { Policy, Request } from '../../documents/index.ts';
import { cosignersOf } from '../../judge/policy.ts';
import type { Level } from '../evidence.ts';
import { notCosigned } from '../not-cosigned.ts';
import type { Witnessed } from '../witnesses.ts';
import type { Expected } from './context.ts';
import type { Decided } from './decision.ts';
import type { Proven } from './inputs.ts';
import type { VerdictPlace } from './place.ts';

export function sayRequest({ repo, ref, commit, recipe }: Request): string {
  const by = recipe === undefined ? '' : `, as ${recipeText(recipe)} says`;
  return `A publisher of the project asked for a build of ${repo} at ${ref} (${commit})${by}.`;
}

export function sayInputs(levels: Readonly<Record<string, Level>>): string {
  const each = Object.entries(levels).map(([name, level]) => `${name} (${level})`);
  return `It rests on what the jobs it needs came to, by their own evidence: ${each.join(', ')}.`;
}

export function sayRounds(rounds: number, { of }: Policy): string {
  if (rounds === 0) return 'The controller opened no round for it.';
  return `The controller opened ${counted(rounds, 'round')} of ${of} for it.`;
}

export function sayReceipts(receipts: number): string {
  if (receipts === 0) return 'There is no receipt.';
  return `There ${receipts === 1 ? 'is' : 'are'} ${counted(receipts, 'receipt')}, each signed by a worker with a grant, under the lease it held.`;
}

/** `opened`: of the earlier request. */
export function sayEarlier({ opened: { request, receipts, verdict } }: Pick<Proven, 'opened'>): string {
  const { timeVerified } = verdict.payload.predicate;
  return `It was not built for this request: the same job was built for request ${request.id}, decided on ${timeVerified}, whose evidence holds (${counted(receipts.length, 'receipt')}).`;
}

export function sayDecision({ level, operators }: Decided, policy: Policy): string {
  const { agree, of } = policy;
  const by = `${counted(operators.length, 'operator')} built the same (${operators.join(', ')}); the policy asks for ${agree} of ${of}`;
  switch (level) {
    case 'trusted':
      return `Decided again from the evidence: trusted. ${by}.`;
    case 'agreed':
      return `Decided again from the evidence: agreed. ${by}, and for more than is shown here.`;
    case 'failed':
      if (cosignersOf(policy) === 0)
        return `Decided again from the evidence: the test failed, alike at ${counted(operators.length, 'operator')} (${operators.join(', ')}).`;
      return 'Decided again from the evidence: the build failed, at trusted workers too.';
    default:
      return 'Decided again from the evidence: there is no agreement.';
  }
}

const warning = `${notCosigned[0]?.toUpperCase()}${notCosigned.slice(1)}.`;

/** `uncosigned`: the verdict counts without a co-signature. */
export function sayCosigners(cosigners: readonly string[], uncosigned: boolean): string {
  if (cosigners.length > 0)
    return `Signed by ${counted(cosigners.length, 'trusted worker')} that built the same (${cosigners.join(', ')}).`;
  return uncosigned ? warning : 'The verdict claims nothing that needs a co-signature.';
}

export function sayWitnessed({ operators, named }: Witnessed): string {
  const others = named.length === 0 ? '' : `, and of ${named.join(', ')}, which the charter names`;
  return `${warning} Workers of ${operators.join(', ')} signed the log${others}.`;
}

export function sayPlace(place: VerdictPlace): string {
  switch (place) {
    case 'cosigned':
      return 'A trusted worker signed the answer, and the log that it is in.';
    case 'witnessed':
      return 'Witnesses signed the log that the answer is in.';
    case 'controller':
      return "Where the answer stands in the log is the controller's word: nothing may be ordered by it.";
  }
}

/** `known`: how many the caller gave. */
export function sayRevocations(known: number): string {
  return known === 0
    ? 'No revocation is known here.'
    : `None of the ${counted(known, 'revocation')} known here voids the verdict; receipts that one voids are not counted.`;
}

export function sayExpected({ artifact, source, ref, recipe }: Expected): string {
  const asked = [
    ...(artifact === undefined ? [] : ['artifact']),
    ...(source === undefined ? [] : ['repository']),
    ...(ref === undefined ? [] : ['ref']),
    ...(recipe === undefined ? [] : ['job file']),
  ];
  return asked.length === 0
    ? 'No artifact, repository or ref was asked for beforehand.'
    : `It is about the ${asked.join(', ')} asked for.`;
}
