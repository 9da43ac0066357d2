import { isOver } from '../../src/controller/machine/facts.ts';
import {
  allRuns,
  type ControllerState,
  type LoggedRevocation,
  publishedOf,
} from '../../src/controller/machine/state.ts';
import {
  artifactOf,
  isTrustedSlot,
  type Policy,
  type Revocation,
  type Verified,
} from '../../src/protocol/documents/index.ts';
import { type Observe, Violation } from '../observer.ts';
import { countingIn, endOf } from './ended-keys.ts';

/**
 * A revoked operator gets neither grant nor lease; later verdicts need none of its receipts from `since` on, and earlier ones that
 * did are told to stand no more.
 */
export function revoked(): Observe {
  /** Where the receipts of an operator end to count, and its revocation's leaf. */
  const operators = new Map<string, { since: number; leaf: number }>();
  /** By id, whatever the controller makes of it. */
  const signed = new Map<string, Verified<Revocation>>();
  const asSigned = ({ revocations }: ControllerState): LoggedRevocation[] =>
    revocations.map(({ revocation, ...more }) => ({
      ...more,
      revocation: signed.get(revocation.id) ?? revocation,
    }));
  const voided = (operator: string, index: number) => index >= (operators.get(operator)?.since ?? Infinity);
  return (seen) => {
    if (seen.kind === 'restored') {
      const { log, revocations } = seen.state;
      const known = new Set(revocations.map(({ revocation }) => revocation.id));
      const logged = log.leaves().flatMap((leaf, index) => {
        const revocation = signed.get(leaf.replace('revocation ', ''));
        return revocation === undefined ? [] : [{ revocation, index, charter: null }];
      });
      if (countingIn(logged).some(({ revocation }) => !known.has(revocation.id)))
        throw new Violation('a revocation is in the log again, and its document is nowhere');
    }
    if (seen.kind === 'restarted' && seen.state !== undefined && seen.isCopy !== true) {
      // A power cut may take back what was not synced; a revocation is.
      const left = new Set(
        countingIn(asSigned(seen.state)).map(({ revocation }) => revocation.payload.what.id),
      );
      for (const operator of operators.keys())
        if (!left.has(operator)) throw new Violation(`the revocation of ${operator} is lost`);
    }
    if (seen.kind === 'handled') {
      if (seen.event.kind === 'revoke') signed.set(seen.event.revocation.id, seen.event.revocation);
      operators.clear();
      for (const { revocation, index } of countingIn(asSigned(seen.state))) {
        const { what, since } = revocation.payload;
        const before = operators.get(what.id);
        operators.set(what.id, {
          since: Math.min(since, before?.since ?? since),
          leaf: Math.min(index, before?.leaf ?? index),
        });
      }
      for (const effect of seen.effects) {
        if (effect.kind !== 'reply') continue;
        const { reply } = effect;
        const operator =
          reply.kind === 'grant' && reply.grant.role === 'worker'
            ? reply.grant.operator
            : reply.kind === 'lease' && !isTrustedSlot(reply.lease.slot) && seen.event.kind !== 'resume'
              ? reply.lease.operator
              : undefined;
        if (operator !== undefined && operators.has(operator))
          throw new Violation(`${operator} got a ${reply.kind} after it was revoked`);
      }
      for (const run of seen.state.runs.values()) {
        if (isOver(run)) continue;
        for (const slot of run.rounds.flatMap(({ slots }) => slots))
          if (slot.kind === 'leased' && operators.has(slot.live.operator))
            throw new Violation(`${slot.live.operator} holds a lease after it was revoked`);
      }
    }
    if (seen.kind !== 'ended') return;
    for (const run of allRuns(seen.state)) {
      if (run.phase.kind !== 'done') continue;
      const { verdict, endorsement } = run.phase.published;
      const { level, outcome, result: about } = verdict;
      const { policy } = run.request.payload;
      if (outcome?.kind !== 'exit' || (level !== 'agreed' && level !== 'trusted')) continue;
      // An answer rests on the receipts and witnesses of an earlier run, which have to be enough for that one too.
      const { reused } = run;
      const from = (reused === null ? null : publishedOf(reused)) ?? { verdict, endorsement };
      const receipts = (reused ?? run).receipts.filter(({ index }) => index < from.verdict.index);
      // Grants by an ended key are void from the end's `since` on, and what rests on them.
      const isVoid = (issuer: string, index: number) => (endOf(seen.state, issuer) ?? Infinity) <= index;
      if (isVoid(run.publisher.signer, verdict.index)) continue;
      if (receipts.some(({ issuer, index }) => isVoid(issuer, index))) continue;
      const most = (p: Policy) => {
        const alike = receipts.flatMap(({ operator, result, index, slot, round }) => {
          const counts = !isTrustedSlot(slot) && slot < p.of && round <= p.rounds && result === about;
          return counts && !voided(operator, index) ? [{ round, operator }] : [];
        });
        const rounds = [...new Set(alike.map(({ round }) => round))];
        const operatorsIn = (n: number) =>
          new Set(alike.filter(({ round }) => round === n).map((r) => r.operator)).size;
        return Math.max(0, ...rounds.map(operatorsIn));
      };
      const policies = [policy, ...(reused === null ? [] : [reused.request.payload.policy])];
      const agreed = policies.every((p) => most(p) >= p.agree);
      const [size, by] =
        from.endorsement.kind === 'witnessed' ? [from.endorsement.size, from.endorsement.by] : [0, []];
      const isRevoked = ({ operator }: (typeof by)[number]) => voided(operator, size - 1);
      const witnesses = by.filter((one) => !isRevoked(one) && !isVoid(one.issuer, size - 1));
      const needs = Object.entries(run.request.payload.needs ?? {});
      const inputs = needs.map(([name, { request, gate }]) => {
        const input = seen.state.index.get(request);
        const last = input === undefined ? null : (publishedOf(input)?.verdict ?? null);
        const artifact = last?.outcome ? artifactOf(last.outcome) : null;
        const isSame = gate === true || artifact === run.job.inputs[name];
        return { stands: input?.revoked === null, isLater: (last?.index ?? -1) >= verdict.index, isSame };
      });
      // A verdict that an input got later is not the one that this rests on, and says the same where it is of the same bytes.
      const read = inputs.every((input) => input.stands && !input.isLater);
      const mayStand = inputs.every((input) => input.stands && (!input.isLater || input.isSame));
      const needed = Math.max(...policies.map(({ agree }) => agree));
      const own = agreed && (from.endorsement.kind !== 'witnessed' || witnesses.length >= needed);
      const stands = own && read;
      if (by.some((one) => isRevoked(one) && (operators.get(one.operator)?.leaf ?? 0) < size))
        throw new Violation('a verdict was witnessed by who was revoked before');
      if (!(own && mayStand) && run.revoked === null)
        throw new Violation(`a verdict counts receipts or witnesses that were revoked, and nobody is told`);
      if (stands && run.revoked !== null) throw new Violation('a verdict is told not to stand, and does');
      const gone = receipts.filter(({ operator, index }) => voided(operator, index));
      const early = gone.every(({ operator }) => (operators.get(operator)?.leaf ?? Infinity) < verdict.index);
      if (!agreed && early) throw new Violation('a verdict was decided on receipts that were revoked before');
    }
  };
}
