import type { Random } from './random.ts';
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

/** Fault rates. Probabilities are per message, per event or per minute, as the names say. */
export interface Rates {
  /** A stream breaks at a message; both ends learn of it at different times, what is under way may be lost. */
  breakPerMessage: number;
  gossipLoss: number;
  gossipTwice: number;
  delayMsMin: number;
  delayMsMax: number;
  /** A message, with all that follow it on its stream, is late by up to `stallMsMax`: packets were lost and sent again. */
  stallPerMessage: number;
  stallMsMax: number;
  /** The side that waits notices a broken stream within this time. */
  noticeMsMax: number;
  /** The controller dies at an event: before its journal, after it, or between two effects. */
  controllerCrashPerEvent: number;
  workerCrashPerEvent: number;
  /** A process dies at a random time, whatever it does then. */
  crashPerMinute: number;
  /** How many crashes are power cuts; the others kill the process only. */
  powerCutPerCrash: number;
  /** Share of the stored bundles that are missing after a crash of the controller. */
  bundleLossPerCrash: number;
  downMsMax: number;
  partitionPerMinute: number;
  partitionMsMax: number;
  /** A host's wall clock is set forward or back. */
  clockPerMinute: number;
  /** The controller is drained, and stopped once its leases have ended, or after a while. */
  drainPerMinute: number;
  /** The controller dies, and starts from a copy of its disk that was made before. */
  restorePerMinute: number;
}

export const calm: Rates = {
  breakPerMessage: 0,
  gossipLoss: 0,
  gossipTwice: 0,
  delayMsMin: 1,
  delayMsMax: 50,
  stallPerMessage: 0,
  stallMsMax: 8_000,
  noticeMsMax: 20_000,
  controllerCrashPerEvent: 0,
  workerCrashPerEvent: 0,
  crashPerMinute: 0,
  powerCutPerCrash: 0.5,
  bundleLossPerCrash: 0,
  downMsMax: 20_000,
  partitionPerMinute: 0,
  partitionMsMax: 60_000,
  clockPerMinute: 0,
  drainPerMinute: 0,
  restorePerMinute: 0,
};

/** A third of the seeds have no faults, a third few, a third many. */
export function ratesOf(random: Random): Rates {
  const scale = random.pick([0, 0.3, 1]);
  const upTo = (most: number) => Math.round(scale * most * random.int(0, 10_000)) / 10_000;
  return {
    ...calm,
    breakPerMessage: upTo(random.pick([0.06, 0.2])),
    gossipLoss: upTo(0.8),
    gossipTwice: upTo(0.5),
    delayMsMax: random.pick([20, 200, 3_000]),
    controllerCrashPerEvent: upTo(0.03),
    workerCrashPerEvent: upTo(0.03),
    partitionPerMinute: upTo(0.8),
    stallPerMessage: upTo(0.08),
    // Some lines are silent for longer than either side waits.
    stallMsMax: random.pick([8_000, 8_000, 150_000]),
    crashPerMinute: upTo(0.15),
    bundleLossPerCrash: scale === 0 ? 0 : random.fork('bundles').pick([0, 0.5]),
    clockPerMinute: random.fork('clocks').pick([0, 0, 0, 0, 0, 0.3]),
    drainPerMinute: random.fork('drains').pick([0, 0, 0, 0, 0, 0.3]),
    restorePerMinute: random.fork('restores').pick([0, 0, 0, 0, 0, 0.3]),
  };
}

export function describeRates(rates: Rates): string {
  return Object.entries(rates)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}
