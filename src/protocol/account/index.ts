export { accountLine, accountOf, lostInRestore } from './account.ts';
export { projectAlarms, type RunAlarm, runAlarmOf, runAlarms, tellAlarm } from './alarms.ts';
export { type BuildState, buildText, firstOfMost } from './builds.ts';
export { type Ending, shownLevel, verdictText } from './endings.ts';
export { eventText } from './event-text.ts';
export type { AccountFacts, OpenFacts, TrustedFailure } from './facts.ts';
export { type Account, type NextStep, type RunState, runStates } from './states.ts';
export { afterRepeated, afterTally, type Differs, isAlarmingRepeat, type Tally } from './tally.ts';
export { worstOf } from './worst.ts';
