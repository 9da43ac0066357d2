import { calm, type Rates } from './rates.ts';
import type { Nature, Scenario } from './scenario.ts';

const faults = [
  ...(['breakPerMessage', 'gossipLoss', 'stallPerMessage', 'partitionPerMinute'] as const),
  ...(['controllerCrashPerEvent', 'workerCrashPerEvent', 'crashPerMinute'] as const),
  ...(['clockPerMinute', 'drainPerMinute', 'restorePerMinute'] as const),
];

const alike: readonly Nature[] = ['reproducible', 'fails', 'makes nothing'];

/** Whether no fault is drawn, and no key is stolen. */
export const isQuiet = ({ theft }: Pick<Scenario, 'theft'>, rates: Rates): boolean =>
  faults.every((rate) => rates[rate] === calm[rate]) && theft === undefined;

/** Whether nothing goes wrong, there are operators enough, everybody is honest, and neither keys nor members are replaced. */
export function isIdeal(scenario: Scenario, rates: Rates): boolean {
  const { operators, trusted, works, charters, stores, revokes } = scenario;
  return (
    isQuiet(scenario, rates) &&
    operators.every(({ behaviour, joinsLate, unsigned, allowsAfterMs }) => {
      return behaviour === 'honest' && !joinsLate && unsigned !== true && allowsAfterMs === undefined;
    }) &&
    (trusted === 'there' || trusted === 'late' || trusted === 'slow') &&
    works.every(({ nature, test, policy: { agree } }) => {
      return alike.includes(nature) && test !== true && agree <= operators.length;
    }) &&
    [stores, revokes].every((change) => change === undefined) &&
    charters.every(({ replaces }) => replaces === 'nothing')
  );
}
