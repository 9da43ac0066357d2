import { isOver, type RunFacts } from '../../src/controller/machine/facts.ts';
import { revocationsIn } from '../../src/controller/machine/members/revocations.ts';
import { allRuns, type ControllerState, publishedOf } from '../../src/controller/machine/state.ts';
import { runVoidedBy } from '../../src/controller/machine/verdicts/review.ts';
import { artifactOf } from '../../src/protocol/documents/index.ts';
import { atLeast } from '../../src/protocol/trust/index.ts';
import { type Revoked, voteRevoked } from '../../src/protocol/trust/revocations.ts';
import { type Observe, Violation } from '../observer.ts';

const lostInput = /^\S+, which it needs, (was contradicted|was revoked|ended as)/;

/** The artifact that the final verdict of a run names, and when that was published; undefined where it has none that stands. */
function finalOf(state: ControllerState, id: string, wanted: 'agreed' | 'trusted') {
  const run = state.index.get(id);
  const published = run === undefined ? null : publishedOf(run);
  if (run === undefined || published === null || run.revoked !== null || run.phase.kind === 'cancelled')
    return undefined;
  const { level, outcome, index } = published.verdict;
  if ((level !== 'agreed' && level !== 'trusted') || !atLeast(level, wanted)) return undefined;
  const told = run.history.findLast(({ progress }) => progress.kind === 'verdict');
  return { level, index, artifact: outcome === null ? null : artifactOf(outcome), at: told?.at ?? 0 };
}

/** When something of a kind was last told of a run. */
const lastOf = ({ history }: RunFacts, ...kinds: string[]): number =>
  history.findLast(({ progress }) => kinds.includes(progress.kind))?.at ?? Number.NEGATIVE_INFINITY;

/**
 * In the end results rest on the final, earlier verdicts of their inputs. A job that lost an input was built again where that
 * input came to something in time. A run that opens again has all its receipts.
 */
export function rebuilt(): Observe {
  /** Runs whose publisher cancelled them, or whose documents were lost. */
  const excused = new Set<string>();

  function check(state: ControllerState, run: RunFacts, name: string): void {
    const needs = Object.entries(run.request.payload.needs ?? {});
    const own = publishedOf(run);
    const finals = needs.map(([input, { request, level, gate }]) => {
      const final = finalOf(state, request, level);
      // A gate (a test that is waited for) has no artifact to read.
      const same = final !== undefined && (gate === true || final.artifact === run.job.inputs[input]);
      return { input, final, same };
    });
    const level = own?.verdict.level;
    if ((level === 'agreed' || level === 'trusted') && run.revoked === null && run.phase.kind === 'done') {
      for (const { input, final, same } of finals) {
        if (final === undefined || !same)
          throw new Violation(`${name} is ${level} on bytes that no final verdict of ${input} names`);
        if (level === 'trusted' && final.index > (own?.verdict.index ?? 0))
          throw new Violation(`${name} is trusted by a verdict that its input ${input} came after`);
      }
    }
    if (excused.has(run.id) || needs.length === 0) return;
    const endedAt = run.history.at(-1)?.at ?? 0;
    const inTime = finals.every(
      ({ final }) => final !== undefined && final.at < run.request.payload.exp * 1000,
    );
    const again = needs.some(([, { request }]) => {
      const input = state.index.get(request);
      // The input reopened only after its dependant had ended because of it.
      return input !== undefined && lastOf(input, 'reopened') > endedAt;
    });
    if (!inTime || again) return;
    const lost = run.phase.kind === 'cancelled' && lostInput.test(run.phase.reason);
    const byInputOnly = run.revoked !== null && lastOf(run, 'reopened', 'revoked') === lastOf(run, 'revoked');
    if (lost || (byInputOnly && voidedBy(state, run) === undefined))
      throw new Violation(`${name} is still wanted, and was not built again on what its inputs came to`);
  }

  return (seen, truth) => {
    if (seen.kind === 'handled' && seen.event.kind === 'recalled') {
      const { run, documents } = seen.event;
      if (documents === null) excused.add(run);
      const held = new Set(documents?.receipts.map(({ receipt }) => receipt.id));
      const { receipts = [] } = seen.state.index.get(run) ?? {};
      if (documents !== null && receipts.some(({ receipt }) => !held.has(receipt)))
        throw new Violation('a run is read again without a receipt of it');
    }
    if (seen.kind === 'handled' && seen.event.kind === 'cancel')
      for (const effect of seen.effects)
        if (effect.kind === 'reply' && effect.reply.kind === 'cancelled') excused.add(effect.reply.run);
    if (seen.kind !== 'ended') return;
    for (const run of allRuns(seen.state))
      if (isOver(run)) check(seen.state, run, truth.workOf(run.id)?.name ?? run.id);
  };
}

/** A revocation of what a run itself rests on, for which it cannot come to the same without others: who built it, or asked for it. */
function voidedBy(state: ControllerState, run: RunFacts): Revoked | undefined {
  const all = revocationsIn(state);
  const [own] = run.receipts.flatMap((vote) => voteRevoked(all, vote) ?? []);
  return own ?? runVoidedBy(state, run, { index: state.log.size, artifact: null });
}
