import type { AccountFacts } from './states.ts';

/** Alarms of a run, the gravest first: results differ, a trusted worker contradicted what was agreed, or refused to sign, a rebuild came to something else. */
export const runAlarms = ['disputed', 'contradicted', 'cosign-refused', 'rebuild-differs'] as const;
export type RunAlarm = (typeof runAlarms)[number];

/** Alarms of a project: kinds of lines in the log of a controller or a worker. docs/operations.md says what to do about each alarm. */
export const projectAlarms = ['equivocated', 'key-full', 'revocations-full', 'revocations-lapsed'] as const;
type ProjectAlarm = (typeof projectAlarms)[number];

/** Whether a trusted worker refused to sign on the way, however the run ended. */
export const hasRefused = ({ trustedFailures = [] }: Pick<AccountFacts, 'trustedFailures'>): boolean =>
  trustedFailures.some(({ refused }) => refused === true);

/** The alarm of a run in this state, whether or not a publisher has acknowledged it. */
export function runAlarmOf(
  state: string,
  facts: Pick<AccountFacts, 'alarming' | 'trustedFailures' | 'differs'>,
): RunAlarm | undefined {
  const { alarming, differs } = facts;
  if (state === 'disputed') return 'disputed';
  if (alarming === true) return 'contradicted';
  if (hasRefused(facts)) return 'cosign-refused';
  // Of two runs that differ the later one is the alarm: it is told once.
  return differs !== undefined && differs.later !== true ? 'rebuild-differs' : undefined;
}

/** Tells the operator of a node of an alarm. */
export function tellAlarm(
  tell: (level: 'warn', kind: string, says: string, data?: Record<string, unknown>) => void,
  alarm: ProjectAlarm,
  says: string,
  data?: Record<string, unknown>,
): void {
  tell('warn', alarm, `ALARM: ${says}`, data);
}
