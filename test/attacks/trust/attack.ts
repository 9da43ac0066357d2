import { joseVerifier } from '../../../src/identity/verifier.ts';
import { type Bundle, type Policy, resultIdOf } from '../../../src/protocol/documents/index.ts';
import {
  type DecisionGuard,
  decideBy,
  type Evidence,
  type ExclusionReason,
  type Guards,
  type Vote,
} from '../../../src/protocol/trust/decide.ts';
import { type Rule, rules } from '../../../src/protocol/trust/rules.ts';
import { type Expected, verifyBy } from '../../../src/protocol/trust/verify.ts';
import { exit, idp, project, trusted, workerKey } from '../../support/project.ts';

/** Verifies with some guards off. */
export function verifyWithout(
  codes: readonly string[],
  bundle: Bundle,
  over: Partial<Expected> = {},
  what: 'whole' | 'draft' = 'whole',
) {
  return verifyBy(new Set(codes), what, bundle, { project, ...over }, joseVerifier);
}

/** Decides with some rules and guards off. */
export function decideWithout(
  without: readonly (ExclusionReason | DecisionGuard)[],
  policy: Policy,
  votes: readonly Vote[],
  over: Partial<Evidence> = {},
) {
  const off = new Set<string>(without);
  return decideUnder({ using: rules.filter(({ reason }) => !off.has(reason)), off }, policy, votes, over);
}

/** Decides with a rule more than there are, which gives votes a power they do not have. */
export function decideWithRule(rule: Rule, policy: Policy, votes: readonly Vote[]) {
  return decideUnder({ using: [...rules, rule], off: new Set() }, policy, votes);
}

function decideUnder(guards: Guards, policy: Policy, votes: readonly Vote[], over: Partial<Evidence> = {}) {
  const evidence = { votes, trustedKeys: [trusted.id], cosigned: [trusted.id], inputs: {}, ...over };
  return decideBy(guards, policy, evidence, { keys: {} });
}

/** A receipt as it counts: operator, slot and tree, in a sealed round 1 unless told otherwise. */
export function receipt(
  operator: string,
  slot: number,
  builds: string | null,
  over: Partial<Vote> = {},
): Vote {
  const round = over.round ?? 1;
  const worker = over.worker ?? workerKey(operator).id;
  const outcome = over.outcome ?? exit(builds);
  return {
    receipt: `${worker} ${round} ${slot} ${builds}`,
    worker,
    operator,
    issuer: idp.id,
    role: 'worker',
    round,
    slot,
    index: round * 100 + slot,
    enrolled: 1,
    offerIndex: round * 100 - 1,
    outcome,
    result: resultIdOf(outcome, []),
    sealed: true,
    ...over,
  };
}

export function trustedReceipt(builds: string | null, over: Partial<Vote> = {}): Vote {
  return receipt('owner', 0, builds, {
    worker: trusted.id,
    role: 'trusted-worker',
    slot: 'trusted',
    index: 190,
    ...over,
  });
}

export const withCosign: Policy = { agree: 2, of: 3, cosign: 'required', rounds: 2 };
export const withoutCosign: Policy = { ...withCosign, cosign: 'none' };
