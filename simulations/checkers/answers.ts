import type { ControllerState } from '../../src/controller/machine/state.ts';
import { toUtf8 } from '../../src/protocol/base/text.ts';
import {
  type CountedReceipt,
  claimedIdOf,
  decodeJob,
  idOf,
  isTrustedSlot,
  leaves,
  openStatement,
  type Policy,
  type Request,
} from '../../src/protocol/documents/index.ts';
import { cosignersOf } from '../../src/protocol/judge/policy.ts';
import { verifyBundle } from '../../src/protocol/trust/index.ts';
import { type Observe, Violation } from '../observer.ts';
import { countingIn } from './ended-keys.ts';

/** Counted from the lines of the earlier verdict, without what `decide` does. */
function mostAlike(
  receipts: readonly CountedReceipt[],
  { of, rounds }: Policy,
  outcome: unknown,
  isVoid: (receipt: CountedReceipt) => boolean,
): number {
  const byRound = new Map<number, Set<string>>();
  for (const receipt of receipts) {
    const { slot, round, operator } = receipt;
    if (isTrustedSlot(slot) || slot >= of || round > rounds || isVoid(receipt)) continue;
    if (idOf(receipt.outcome) === idOf(outcome))
      byRound.set(round, (byRound.get(round) ?? new Set()).add(operator));
  }
  return Math.max(0, ...[...byRound.values()].map(({ size }) => size));
}

/**
 * An answer has at most the level that the earlier evidence gives under the request's own policy and the revocations of then.
 * It rests on another request, a trusted one has a place that others signed too, and each request gets one answer.
 */
export function answers(): Observe {
  /** Requests as their publisher signed them, by id: a planted bug may change those in the state. */
  const asked = new Map<string, Request>();
  /** Ids of the verdicts that trusted workers signed, by worker and request. */
  const signed = new Map<string, string>();
  let state: ControllerState | undefined;

  /** The log index from which on receipts of an operator are void, by what was revoked before this index. */
  const voidFrom = (operator: string, before: number): number =>
    Math.min(
      ...countingIn(state?.revocations ?? []).flatMap(({ revocation: { payload }, index }) =>
        payload.what.id === operator && index < before ? [payload.since] : [],
      ),
      Number.POSITIVE_INFINITY,
    );

  return async (seen, truth) => {
    if (seen.kind === 'handled') {
      state = seen.state;
      if (seen.event.kind === 'submit') asked.set(seen.event.request.id, seen.event.request.payload);
    }
    if (seen.kind === 'worker-handled' && seen.event.kind === 'answer-checked') {
      const { request, verdict } = seen.event;
      if (!seen.effects.some(({ kind }) => kind === 'sign-answer')) return;
      const before = signed.get(`${seen.worker} ${request}`) ?? verdict;
      if (before !== verdict) throw new Violation('a trusted worker signed two answers to one request');
      signed.set(`${seen.worker} ${request}`, verdict);
    }
    if (seen.kind !== 'published') return;
    const { earlier, job: jobId, level, outcome } = seen.verdict.predicate.quorate_verdict;
    const request = asked.get(seen.run);
    if (earlier === undefined || request === undefined) return;
    if (earlier.request === seen.run) throw new Violation('a request was answered from its own verdict');
    if (level === 'trusted') {
      const { facts } = await verifyBundle(seen.bundle, { project: truth.project }, truth.keys.verifier);
      if (facts?.place === 'controller')
        throw new Violation('only the controller says where an answer stands in the log');
    }
    const { entries, inputs = [], job: jobText } = seen.bundle;
    const fail = (says: string) => {
      throw new Violation(`${truth.workOf(seen.run)?.name} was answered: ${says}`);
    };
    if (request.rebuild) fail('it was to be built again');
    const { job } = decodeJob(toUtf8(jobText));
    if (job.image === 'host' || job.network !== undefined) fail('what it depends on is not named by its id');
    const own = leaves.verdict(idOf(seen.verdict), jobId);
    const index = entries.find(({ leaf }) => leaf === own)?.index ?? -1;
    const held = inputs.find((one) => claimedIdOf(one.request) === earlier.request);
    if (held === undefined) return fail('nothing shows from what');
    const verdict = await openStatement('verdict', held.verdict, truth.keys.verifier);
    const before = verdict.payload.predicate.quorate_verdict;
    if (before.job !== jobId || idOf(before.outcome) !== idOf(outcome)) fail('another job or outcome');
    const { policy } = request;
    const isVoid = (receipt: CountedReceipt) => voidFrom(receipt.operator, index) <= receipt.index;
    const most = mostAlike(before.receipts, policy, outcome, isVoid);
    if (most < policy.agree) fail(`${most} of ${policy.agree} operators agreed`);
    const built = before.receipts.filter(
      (receipt) =>
        isTrustedSlot(receipt.slot) &&
        verdict.signers.includes(receipt.worker) &&
        idOf(receipt.outcome) === idOf(outcome),
    );
    if (level === 'trusted' && new Set(built.map(({ worker }) => worker)).size < cosignersOf(policy))
      fail('too few trusted workers built it');
  };
}
