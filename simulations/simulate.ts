import { allCheckers } from './checkers/index.ts';
import { type Keys, standIn } from './keys.ts';
import { type Checker, Violation } from './observer.ts';
import { Random } from './random.ts';
import { describeRates, type Rates, ratesOf } from './rates.ts';
import { type Scenario, scenarioOf, type Work } from './scenario.ts';
import { type Patches, World, type WorldOptions } from './world.ts';

export interface SimulateOptions {
  keys?: Keys;
  checkers?: () => Checker[];
  /** The checker of this invariant alone. */
  only?: string;
  /** A planted bug: made anew for each run, as a machine is. */
  patches?: () => Patches;
  /** Instead of what the seed gives. */
  scenario?: Partial<Scenario>;
  rates?: Partial<Rates>;
  /** The controller dies at its nth event, where it says. */
  crash?: WorldOptions['crash'];
  /** Not a second time, to compare. */
  once?: true;
}

export interface Result {
  seed: number;
  /** The fault rates, operators and jobs of the seed. */
  about: string[];
  /** The invariant that does not hold, and how; null when all do. */
  failure: { invariant: string; message: string } | null;
  /** The levels of the verdicts that were published, in order. */
  levels: string[];
  /** The last of what happened. */
  tail: string[];
  lines: number;
  trace: readonly string[];
  hash: string;
}

const tailLines = 30;

/** Runs one seed twice: the second time must go as the first did. Never throws for what it finds. */
export async function simulate(seed: number, options: SimulateOptions = {}): Promise<Result> {
  const keys = options.keys ?? standIn;
  const all = options.checkers?.() ?? allCheckers();
  const checkers = all.filter(({ invariant }) => (options.only ?? invariant) === invariant);
  const first = await runOnce(seed, { ...options, keys }, checkers);
  if (first.failure !== null || options.once === true) return first;
  const second = await runOnce(seed, { ...options, keys }, []);
  if (second.hash === first.hash) return first;
  const at = first.trace.findIndex((line, n) => second.trace[n] !== line);
  const message = `line ${at + 1} was "${first.trace[at]}" and is "${second.trace[at]}" the second time`;
  return { ...second, failure: { invariant: 'determinism', message } };
}

/** Describes a seed: the fault rates, then operators and jobs. */
export function aboutSeed(seed: number, options: SimulateOptions = {}): string[] {
  const { rates, scenario } = drawn(seed, options);
  return [describeRates(rates), ...describeScenario(scenario)];
}

/** Whether a seed draws jobs that read what others make. */
export function hasPipeline(seed: number): boolean {
  return drawn(seed, {}).scenario.works.some(({ needs }) => Object.keys(needs ?? {}).length > 0);
}

function drawn(seed: number, options: SimulateOptions) {
  const random = new Random(`seed ${seed}`);
  const plain = scenarioOf(random.fork('scenario'));
  // A seed that is changed shows what it was chosen for: no further process or thief comes in between.
  const isChanged = [options.scenario, options.rates, options.patches, options.crash].some(
    (change) => change !== undefined,
  );
  const idp = isChanged ? 'inside' : plain.idp;
  const theft = isChanged ? undefined : plain.theft;
  const scenario: Scenario = { ...plain, idp, theft, ...options.scenario };
  const drawnRates = ratesOf(random.fork('rates'));
  const restorePerMinute = isChanged ? 0 : drawnRates.restorePerMinute;
  const rates: Rates = { ...drawnRates, restorePerMinute, ...options.rates };
  return { random, scenario, rates };
}

async function runOnce(
  seed: number,
  options: SimulateOptions & { keys: Keys },
  checkers: readonly Checker[],
): Promise<Result> {
  const { random, scenario, rates } = drawn(seed, options);
  const world = new World({
    scenario,
    rates,
    random: random.fork('world'),
    keys: options.keys,
    checkers,
    patches: options.patches?.() ?? {},
    crash: options.crash,
  });
  let failure: Result['failure'] = null;
  try {
    await world.run();
  } catch (error) {
    if (error instanceof Violation) failure = { invariant: error.invariant ?? '', message: error.message };
    else
      failure = {
        invariant: 'no crash',
        message: error instanceof Error ? (error.stack ?? error.message) : String(error),
      };
  }
  const { trace } = world;
  return {
    seed,
    about: aboutSeed(seed, options),
    failure,
    levels: world.levels,
    tail: trace.lines.slice(-tailLines),
    lines: trace.lines.length,
    trace: trace.lines,
    hash: trace.hash,
  };
}

/** Operators, jobs and events of a scenario, a line each. */
function describeScenario(scenario: Scenario): string[] {
  const { attackerShare, operators, trusted, second, works, faultsMs, idp, grantSeconds, revokes } = scenario;
  const charters = scenario.charters
    .map(({ afterMs, replaces }) => `; a charter after ${afterMs / 1000} s (replaces ${replaces})`)
    .join('');
  return [
    ...(scenario.stores === undefined
      ? []
      : [
          `${scenario.stores.copies} of these stores keep artifacts: ${scenario.stores.behaviours.join(', ')}`,
        ]),
    `attackers: ${attackerShare}; trusted worker: ${trusted}${second ? ' and a second one' : ''}; faults for ${faultsMs / 1000} s; grants of ${grantSeconds} s${idp === 'apart' ? ' by an identity provider apart' : ''}${charters}`,
    ...operators.map(
      ({ name, hosts, behaviour, joinsLate, unsigned }) =>
        `${name}: ${hosts.length} machine(s), ${behaviour}${joinsLate ? ', joins late' : ''}${unsigned ? ', cannot sign receipts' : ''}`,
    ),
    ...(revokes === undefined
      ? []
      : [
          `${revokes.operator} is revoked after ${revokes.afterMs / 1000} s, from ${revokes.ever ? 'its beginning' : 'then'} on`,
        ]),
    ...(scenario.theft === undefined
      ? []
      : [
          `the identity provider's key is stolen after ${scenario.theft.afterMs / 1000} s, for ${scenario.theft.endsAfterMs / 1000} s: the thief revokes ${scenario.theft.revokes} and poses as ${scenario.theft.poses}`,
        ]),
    ...works.map(
      ({
        name,
        test,
        nature,
        needs,
        policy: { agree, of, cosign, rounds },
        expiresSeconds,
        cancelAfterMs,
        ...more
      }) =>
        `${name}: ${repeatsText(more)}${test ? 'a test, ' : ''}${nature}${readsText(needs)}, agree ${agree} of ${of}, cosign ${cosign}, ${rounds} round(s), expires after ${expiresSeconds} s${cancelAfterMs === undefined ? '' : `, cancelled after ${cancelAfterMs / 1000} s`}`,
    ),
  ];
}

const repeatsText = ({ repeats, rebuild }: Pick<Work, 'repeats' | 'rebuild'>): string =>
  repeats === undefined ? '' : `${repeats} ${rebuild ? 'built again' : 'once more'}, `;

const readsText = (needs: Work['needs'] = {}): string =>
  Object.entries(needs)
    .map(([name, level]) => `, reads ${name} (${level})`)
    .join('');
