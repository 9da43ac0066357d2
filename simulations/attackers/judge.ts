import type { Policy } from '../../src/protocol/documents/index.ts';
import { type Decision, decideBy } from '../../src/protocol/trust/decide.ts';
import type { Vote } from '../../src/protocol/trust/evidence.ts';
import { rules } from '../../src/protocol/trust/rules.ts';

/** A receipt of a simulated run. */
export interface Receipt {
  operator: number | 'trusted';
  round: number;
  slot: number;
  /** The result: `honest`, or the tamperer's name for it. */
  result: string;
  sealed: boolean;
}

const trustedKey = 'trusted';

/** Grows with the patterns that there are, some thousands. */
const known = new Map<string, Decision>();

/** The production decision. Equal patterns of receipts are decided once: `decide` is pure. `unsealed`: a late copy counts, too. */
export function judge(policy: Policy, receipts: readonly Receipt[], unsealed = false): Decision {
  const { agree, of, cosign } = policy;
  const people = new Map<Receipt['operator'], number>();
  const pattern = receipts.map(({ operator, round, slot, result, sealed }) => {
    if (!people.has(operator)) people.set(operator, people.size);
    return `${operator === 'trusted' ? 't' : people.get(operator)}.${round}.${slot}.${result}.${sealed ? 1 : 0}`;
  });
  const key = `${agree}/${of} ${cosign} ${unsealed} ${pattern.join(' ')}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  const using = unsealed ? rules.filter(({ reason }) => reason !== 'unsealed') : rules;
  const evidence = {
    votes: receipts.map(voteOf),
    trustedKeys: [trustedKey],
    cosigned: [trustedKey],
    inputs: {},
  };
  const judged = decideBy({ using, off: new Set() }, policy, evidence, { keys: {} });
  known.set(key, judged);
  return judged;
}

function voteOf({ operator, round, slot, result, sealed }: Receipt, n: number): Vote {
  const isTrusted = operator === 'trusted';
  return {
    receipt: `receipt ${n}`,
    worker: isTrusted ? trustedKey : `worker ${operator}`,
    operator: isTrusted ? 'owner' : `operator ${operator}`,
    issuer: 'idp',
    role: isTrusted ? 'trusted-worker' : 'worker',
    round,
    slot: isTrusted ? 'trusted' : slot,
    index: round * 1_000 + n,
    enrolled: 1,
    offerIndex: round * 1_000 - 1,
    outcome: { kind: 'exit', code: 0, artifact: result },
    result,
    sealed,
  };
}
