import { shownLevel } from '../../../protocol/account/index.ts';
import { artifactOf, isTrustedSlot } from '../../../protocol/documents/index.ts';
import type { Progress } from '../../../protocol/wire/progress.ts';
import { describeOutcome, reportsOfFailure } from '../described.ts';
import { differingFiles } from '../differing-files.ts';
import { documentsOf, type Published, type Run, type Transition, tell } from '../state.ts';

/**
 * Tells once what the trusted worker came to, with the last verdict of a run: no further round can open to whose operators it would tell something.
 * Where results were compared it is among them.
 */
export function revealTrusted(transition: Transition, run: Run): void {
  const { trusted, receipts, history } = run;
  // Under the rules before it was told of a dispute only.
  if (transition.rules < 3 || trusted.kind !== 'delivered') return;
  const recorded = receipts.find(({ receipt }) => receipt === trusted.receipt);
  if (recorded === undefined) return;
  const { round, slot, worker, operator, outcome } = recorded;
  const begun = history.findLastIndex(({ progress: { kind } }) => kind === 'reopened');
  const isTold = history
    .slice(begun + 1)
    .some(
      ({ progress }) =>
        progress.kind === 'compared' ||
        (progress.kind === 'revealed' &&
          progress.results.some((one) => one.slot === slot && one.worker === worker)),
    );
  if (isTold) return;
  const { log } = documentsOf(run, recorded).receipt.payload.predicate.quorate_receipt;
  const result = describeOutcome(outcome);
  const results = [{ worker, operator, slot, result, ...reportsOfFailure(outcome), log }];
  tell(transition, run, { kind: 'revealed', round, results });
}

/**
 * Tells once who came to which result, when no further round of the run can open any more: before that it would tell operators of that round what
 * the trusted worker built. Only of a dispute: there was no agreement in the end, or one that the trusted worker contradicted. What
 * the trusted worker made is kept, to be compared.
 */
export function compareResults(transition: Transition, run: Run, { verdict, ending }: Published): void {
  // Of the job that is built now: on other inputs it is another one.
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
      ...{ round, slot, worker, operator, result: describeOutcome(outcome), ...reportsOfFailure(outcome) },
      log: log ?? null,
      tier: sandbox?.tier ?? '',
      ...(kernel !== undefined && { kernel }),
      ...(processor !== undefined && { processor }),
    };
  });
  tell(transition, run, { kind: 'compared', results, ...differingFiles(receipts) });
  for (const [at, { slot, outcome, worker }] of ended.entries()) {
    if (!isTrustedSlot(slot)) continue;
    const log = receipts[at]?.payload.predicate.quorate_receipt.log ?? null;
    for (const root of [log, artifactOf(outcome)])
      if (root !== null) transition.out.push({ kind: 'keep', run: run.id, root, from: worker });
  }
}
