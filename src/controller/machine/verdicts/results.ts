import { afterRepeated, type Differs, shownLevel } from '../../../protocol/account/index.ts';
import { artifactOf, isTrustedSlot, type Outcome, type Receipt } from '../../../protocol/documents/index.ts';
import type { Progress } from '../../../protocol/wire/progress.ts';
import type { PublishedFacts, RunFacts } from '../facts.ts';
import { controllerLimits } from '../limits.ts';
import { trustedReceipts } from '../slots.ts';
import {
  type ControllerState,
  documentsOf,
  type Published,
  publishedOf,
  type Run,
  type Transition,
} from '../state.ts';

/** An outcome as progress tells it: a CID, `no outputs`, `exit 1`, or `aborted: …`. */
export function describeOutcome(outcome: Outcome): string {
  if (outcome.kind === 'aborted')
    return `aborted: ${outcome.reason}${outcome.detail === '' ? '' : `: ${outcome.detail}`}`;
  return outcome.code === 0 ? (outcome.artifact ?? 'no outputs') : `exit ${outcome.code}`;
}

/** The files that a failed test put out. */
export function reportsOfFailure(outcome: Outcome): { reports?: string } {
  const reports = artifactOf(outcome);
  return reports === null || (outcome.kind === 'exit' && outcome.code === 0) ? {} : { reports };
}

/** Files in which these outputs differ, by name, at most `differingFilesToldMax`, and how many there are. */
export function differingFiles(builds: readonly { payload: Receipt }[]): { files: string[]; count: number } {
  const made = builds.filter(({ payload }) => artifactOf(payload.predicate.quorate_receipt.outcome) !== null);
  const lists = made.map(
    ({ payload }) => new Map(payload.subject.slice(1).map(({ name, digest }) => [name, digest.sha256])),
  );
  const names = new Set(lists.flatMap((list) => [...list.keys()]));
  const differing = [...names].filter((name) => new Set(lists.map((list) => list.get(name))).size > 1).sort();
  return { files: differing.slice(0, controllerLimits.differingFilesToldMax), count: differing.length };
}

/** Tells the trusted worker's result once, with the last verdict: no further round can open whose operators it would help. */
export function revealTrusted(transition: Transition, run: Run): void {
  // Under the rules before it was told of a dispute only.
  if (transition.rules < 3) return;
  const begun = run.history.findLastIndex(({ progress: { kind } }) => kind === 'reopened');
  for (const recorded of trustedReceipts(run)) {
    const { round, slot, worker, operator, outcome } = recorded;
    const isTold = run.history
      .slice(begun + 1)
      .some(
        ({ progress }) =>
          progress.kind === 'compared' ||
          (progress.kind === 'revealed' &&
            progress.results.some((one) => one.slot === slot && one.worker === worker)),
      );
    if (isTold) continue;
    const { log } = documentsOf(run, recorded).receipt.payload.predicate.quorate_receipt;
    const result = describeOutcome(outcome);
    const results = [{ worker, operator, slot, result, ...reportsOfFailure(outcome), log }];
    transition.tell(run, { kind: 'revealed', round, results });
  }
}

/**
 * Tells once which results a disputed run had, when no further round can open whose operators that would help, and keeps the
 * trusted worker's for comparison.
 */
export function compareResults(transition: Transition, run: Run, { verdict, ending }: Published): void {
  // Results since the inputs changed last: on other inputs it is another job.
  const begun = run.history.findLastIndex(
    ({ progress: { kind } }) => kind === 'inputs' || kind === 'reopened',
  );
  const since = run.history.slice(begun + 1);
  const disputed = shownLevel(verdict.level, ending ?? undefined) === 'disputed';
  const told = (kind: Progress['kind']) => since.some(({ progress }) => progress.kind === kind);
  const ended = run.receipts.filter(({ outcome }) => outcome.kind === 'exit');
  if (told('compared') || (!disputed && !told('contradicted'))) return;
  if (new Set(ended.map(({ result }) => result)).size < 2) return;
  const receipts = ended.map((recorded) => documentsOf(run, recorded).receipt);
  const results = ended.map(({ round, slot, worker, operator, outcome }, at) => {
    const { log, sandbox } = receipts[at]?.payload.predicate.quorate_receipt ?? {};
    const { kernel, processor } = sandbox?.unpinned ?? {};
    return {
      round,
      slot,
      worker,
      operator,
      result: describeOutcome(outcome),
      ...reportsOfFailure(outcome),
      log: log ?? null,
      tier: sandbox?.tier ?? '',
      ...(kernel !== undefined && { kernel }),
      ...(processor !== undefined && { processor }),
    };
  });
  transition.tell(run, { kind: 'compared', results, ...differingFiles(receipts) });
  transition.state.index.compared(
    run,
    ended.flatMap(({ outcome }) => artifactOf(outcome) ?? []),
  );
  for (const [at, { slot, outcome, worker }] of ended.entries()) {
    if (!isTrustedSlot(slot)) continue;
    const log = receipts[at]?.payload.predicate.quorate_receipt.log ?? null;
    for (const root of [log, artifactOf(outcome)])
      if (root !== null) transition.out.push({ kind: 'keep', run: run.id, root, from: worker });
  }
}

/** When its last verdict was told. */
export function endedAt({ history, submittedAt }: RunFacts): number {
  return history.findLast(({ progress }) => progress.kind === 'verdict')?.at ?? submittedAt;
}

/** Tells how a rebuilt run compares with the one that ended before it, and that one where they differ. */
export function compareWithEarlier(transition: Transition, run: Run, { verdict }: PublishedFacts): void {
  const { state, now, rules } = transition;
  if (!run.request.payload.rebuild || verdict.result === null) return;
  const others = state.index.builtOf(run.jobId).flatMap((earlier) => {
    // A run that was opened again is listed itself.
    const before = earlier.id === run.id ? undefined : publishedOf(earlier)?.verdict;
    return before === undefined || before.result === null ? [] : [{ earlier, before }];
  });
  // Under the rules before, one whose verdict was void was compared with too.
  const [newest] = others;
  const found = rules < 3 ? newest : (others.find(({ earlier }) => earlier.revoked === null) ?? newest);
  if (found === undefined) return;
  const { earlier, before } = found;
  const [mine, theirs] = [artifactOf(verdict.outcome), artifactOf(before.outcome)];
  const same = before.result === verdict.result;
  const voided = earlier.revoked !== null;
  transition.tell(run, {
    kind: 'repeated',
    earlier: earlier.id,
    decidedAt: endedAt(earlier),
    same,
    artifact: mine,
    before: theirs,
    ...(voided && { revoked: true }),
  });
  if (same || voided || rules < 3) return;
  transition.tell(earlier, {
    kind: 'repeated',
    earlier: run.id,
    decidedAt: now,
    same,
    artifact: theirs,
    before: mine,
    later: true,
  });
}

/** The other run that came to something else. */
export function differsOf({ index }: ControllerState, { history }: RunFacts): Differs | undefined {
  const differs = history.reduce<Differs | undefined>(
    (known, { progress }) => afterRepeated(known, progress),
    undefined,
  );
  if (differs === undefined || index.get(differs.run)?.revoked === null) return differs;
  return { ...differs, voided: true };
}
