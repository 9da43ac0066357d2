import type { Progress } from '../wire/progress.ts';
import { type AccountFacts, afterRepeated, afterTally, isAlarmingRepeat } from './index.ts';
import { afterFailure } from './trusted-failures.ts';

/** The facts of a run before its first event. */
export const untold = (run: string): AccountFacts => ({ run, state: 'waiting', level: null });

/**
 * The facts of a run after one more event, for whoever follows it. Whoever has the controller's summary takes that: it also tells who is
 * connected.
 */
export function afterProgress(facts: AccountFacts, progress: Progress): AccountFacts {
  const tally = afterTally(facts.tally, progress);
  const differs = afterRepeated(facts.differs, progress);
  const after = afterOne(facts, progress);
  return tally === facts.tally && differs === facts.differs ? after : { ...after, tally, differs };
}

function afterOne(facts: AccountFacts, progress: Progress): AccountFacts {
  switch (progress.kind) {
    case 'accepted': {
      const { test, repo, ref, commit, recipe } = progress;
      return {
        ...{ ...facts, repo, ref, commit },
        ...(test === true && { test }),
        ...(recipe !== undefined && { recipe }),
      };
    }
    case 'waiting':
      return { ...facts, state: 'waiting', level: null, awaits: Object.keys(progress.needs) };
    case 'inputs':
      return { ...facts, state: 'building', awaits: [] };
    case 'answered':
      return { ...facts, earlier: progress.earlier };
    case 'answer-cosigning':
    case 'cosigning':
    case 'witnessing':
      return { ...facts, state: progress.kind };
    case 'answer-failed':
    case 'answer-refused':
      return { ...facts, state: 'building', earlier: undefined };
    case 'round': {
      const { agree, of, cosign } = progress;
      return { ...facts, state: 'building', level: null, policy: { agree, of, cosign } };
    }
    case 'agreed':
      return { ...facts, state: 'pinning' };
    case 'contradicted':
      return { ...facts, state: 'building', level: null, alarming: true, acknowledged: undefined };
    case 'repeated':
      return isAlarmingRepeat(progress) ? { ...facts, acknowledged: undefined } : facts;
    case 'compared':
      return { ...facts, alarming: true, acknowledged: undefined };
    case 'cosign-delayed':
    case 'cosign-refused':
    case 'lost':
    case 'delivered': {
      const trustedFailures = afterFailure(facts.trustedFailures ?? [], progress);
      const isNew = progress.kind === 'cosign-refused';
      return { ...facts, trustedFailures, ...(isNew && { acknowledged: undefined }) };
    }
    case 'acknowledged':
      return { ...facts, acknowledged: true };
    case 'input-lost':
      return { ...facts, state: 'waiting', level: null };
    case 'reopened':
      return { ...facts, state: 'building', level: null, revoked: undefined, earlier: undefined };
    case 'unwitnessed': {
      const { operators, operatorsNeeded, named, namedNeeded } = progress;
      return { ...facts, missing: { operators, operatorsNeeded, named, namedNeeded } };
    }
    case 'cancelled':
      return { ...facts, state: 'cancelled', cancelled: progress.reason };
    case 'revoked': {
      const { what, id, since, reason } = progress;
      return { ...facts, revoked: { what, id, since, reason } };
    }
    case 'restored':
      return { ...facts, revoked: undefined };
    case 'verdict': {
      const { level, reason, limit, cosigned, artifact } = progress;
      const state = level !== 'agreed' ? 'done' : facts.state === 'witnessing' ? 'witnessing' : 'agreed';
      const trustedFailures = facts.trustedFailures && afterFailure(facts.trustedFailures, progress);
      const told = { state, level, reason, limit, cosigned, artifact, trustedFailures };
      return { ...facts, ...told, revoked: undefined };
    }
    default:
      return facts;
  }
}
