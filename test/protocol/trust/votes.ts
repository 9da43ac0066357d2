import { type Policy, resultIdOf } from '../../../src/protocol/documents/index.ts';
import { decide, type Evidence, type Revocations, type Vote } from '../../../src/protocol/trust/decide.ts';

export const A = 'bafybeia';
export const B = 'bafybeib';
export const trustedKey = 'key-trusted';
export const policy: Policy = { agree: 2, of: 3, cosign: 'required', rounds: 3 };
export const open: Policy = { ...policy, cosign: 'none' };
export const exit = (artifact: string | null, code = 0) => ({ kind: 'exit', code, artifact }) as const;
export const aborted = { kind: 'aborted', reason: 'time', detail: 'too slow' } as const;

/** A vote that counts, as operator `operator` in slot `slot` of round 1, unless told otherwise. */
export function vote(
  operator: string,
  slot: number,
  artifact: string | null,
  over: Partial<Vote> = {},
): Vote {
  const round = over.round ?? 1;
  const index = over.index ?? round * 100 + slot;
  const outcome = over.outcome ?? exit(artifact);
  return {
    receipt: `${operator}/${round}/${slot}/${artifact}/${over.worker ?? ''}`,
    worker: `key-${operator}`,
    operator,
    issuer: 'key-idp',
    role: 'worker',
    round,
    slot,
    index,
    enrolled: 1,
    offerIndex: round * 100 - 1,
    outcome,
    result: resultIdOf(outcome, []),
    sealed: true,
    ...over,
  };
}

/** The trusted worker's own build. */
export function own(artifact: string | null, over: Partial<Vote> = {}): Vote {
  return vote('owner', 0, artifact, {
    role: 'trusted-worker',
    slot: 'trusted',
    worker: trustedKey,
    index: 150,
    ...over,
  });
}

export function judge(
  votes: readonly Vote[],
  over: Partial<Evidence> & { policy?: Policy; revocations?: Revocations } = {},
) {
  const { policy: under = policy, revocations = { keys: {} }, ...evidence } = over;
  return decide(
    under,
    { votes, trustedKeys: [trustedKey], cosigned: [trustedKey], inputs: {}, ...evidence },
    revocations,
  );
}
