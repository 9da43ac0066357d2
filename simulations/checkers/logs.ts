import { allRuns } from '../../src/controller/machine/state.ts';
import { withoutColours } from '../../src/protocol/base/escape.ts';
import { notReceivedNote } from '../../src/protocol/base/log-notes.ts';
import { logOf, timesOf } from '../logs.ts';
import { type Observe, type Truth, Violation } from '../observer.ts';

/** A stored log has only lines and times that the build said, and a note where it was cut. Without faults it is whole, for followers too. */
export function logs(): Observe {
  /** By run: texts by slot and worker. */
  const told = new Map<string, ReadonlyMap<string, string>>();

  function check(lease: string, followed: string | undefined, truth: Truth): void {
    const said = logOf(lease);
    const stored = withoutColours(truth.logOf(lease) ?? '');
    // A build that was begun again says its log again, and the end of the first one may come later.
    const known = new Set([...said.split('\n'), notReceivedNote]);
    const other = stored.split('\n').find((line) => !known.has(line));
    if (other !== undefined) throw new Violation(`a stored log has a line that no build said: ${other}`);
    const times = truth.timesOf(lease);
    if (times !== undefined && times !== timesOf(lease))
      throw new Violation(`the times of a log are those of another: ${times}`);
    if (!truth.isIdeal) return;
    if (times === undefined) throw new Violation('the times of a log are not there');
    if (stored !== said) throw new Violation(`the log of a build is not whole: ${stored}`);
    if (followed !== undefined && followed !== said)
      throw new Violation(`who followed the log of a build was told: ${followed}`);
  }

  return (seen, truth) => {
    if (seen.kind === 'logs-told') told.set(seen.run, seen.texts);
    if (seen.kind !== 'ended') return;
    for (const run of allRuns(seen.state)) {
      const texts = told.get(run.id);
      for (const { lease, slot, worker } of run.receipts)
        check(lease, texts && (texts.get(`${slot} ${worker}`) ?? ''), truth);
    }
  };
}
