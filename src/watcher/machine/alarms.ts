import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { accountOf, runAlarmOf } from '../../protocol/account/index.ts';
import { toUtf8 } from '../../protocol/base/text.ts';
import type { RunSummary } from '../../protocol/wire/runs.ts';
import type { Ledger } from './hook-ledger.ts';
import { hookLimits } from './hook-limits.ts';
import { matchesRef, type RefPattern } from './hook-refs.ts';

/** A controller's list of runs: its word, and no evidence. */
export interface Listing {
  jobs: ListedRun[];
  equivocations: string[];
}
export type ListedRun = RunSummary;

export type Alarm =
  | { event: 'disputed' | 'revoked'; subject: string; reason: string; run: ListedRun }
  | { event: 'equivocation'; subject: string; reason: string };

/** Alarms in a listing, and in proofs against the log, that no command was started for, oldest first. `refs` limits those of runs. */
export function newAlarms(
  ledger: Ledger,
  { runs, equivocations }: { runs: readonly ListedRun[]; equivocations: readonly string[] },
  refs?: readonly RefPattern[],
): Alarm[] {
  const told = equivocations.map(
    (reason): Alarm => ({
      event: 'equivocation',
      subject: `equivocation:${bytesToHex(sha256(toUtf8(reason)))}`,
      reason,
    }),
  );
  const ofRuns = runs
    .filter(({ ref }) => refs === undefined || matchesRef(refs, ref))
    .flatMap(alarmsOf)
    .reverse();
  return [...told, ...ofRuns]
    .filter(({ subject }) => ledger.get(subject) === undefined)
    .map((alarm) => ({ ...alarm, reason: alarm.reason.slice(0, hookLimits.textCharsMax) }));
}

function alarmsOf(run: ListedRun): Alarm[] {
  const found: Alarm[] = [];
  // A hook tells each once by itself. Whoever holds a publisher's key could look at all of them first.
  const alarm = runAlarmOf(accountOf(run).state, run);
  if (alarm !== undefined) {
    const reason = alarm === 'disputed' ? (run.reason ?? alarm) : alarm;
    found.push({ event: 'disputed', subject: `disputed:${run.run}`, reason, run });
  }
  if (run.revoked !== undefined)
    found.push({ event: 'revoked', subject: `revoked:${run.run}`, reason: run.revoked.reason, run });
  return found;
}
