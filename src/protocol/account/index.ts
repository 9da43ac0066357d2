export { accountLine, accountOf, lostInRestore } from './account.ts';
export { hasRefused, projectAlarms, type RunAlarm, runAlarmOf, runAlarms, tellAlarm } from './alarms.ts';
export { type Ending, shownLevel, verdictText } from './endings.ts';
export { eventText } from './event-text.ts';
export * from './states.ts';
export { afterRepeated, afterTally, type Differs, isAlarmingRepeat, type Tally } from './told-facts.ts';
export { worstOf } from './whole-state.ts';
