import { InvalidArgumentError, Option } from 'commander';
import { QuorateError } from '../../protocol/base/errors.ts';
import { counted } from '../../protocol/base/quantity.ts';
import { cosignKinds } from '../../protocol/documents/cosign.ts';
import type { Charter, Policy } from '../../protocol/documents/index.ts';
import { documentLimits } from '../../protocol/documents/limits.ts';
import { trustLimits } from '../../protocol/trust/limits.ts';
import type { Population } from '../../protocol/trust/odds.ts';
import {
  adviceOn,
  commonPolicies,
  dishonestOf,
  oddsByShare,
  oddsCells,
  oddsColumns,
  oddsText,
  type PolicyOdds,
  policyOdds,
  policyText,
  riskDefault,
  sayOdds,
  suspectsText,
  uncovered,
} from '../../protocol/trust/odds-report.ts';
import { conditionsText } from '../../protocol/wire/told-policy.ts';
import { type Context, type Define, defineCommand } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { wholeNumberFrom } from '../../terminal/values.ts';
import { projectHere } from '../project.ts';
import { votesWrong } from './floor.ts';

/** Operators that may act as one party: a share of all, or how many. */
type Suspect = { share: number } | { operators: number };

interface Options {
  operators?: number;
  suspect: Suspect;
  agree?: number;
  of?: number;
  rounds?: number;
  cosign?: Policy['cosign'];
  risk: number;
}

const { slotsMax, roundsMax } = documentLimits;
/** As of a job file that names none. */
const roundsDefault = 2;

export const policy: Define = (program, act) =>
  defineCommand(program, 'policy', {
    summary: 'show by figures what a policy holds against',
    description:
      'Shows how likely operators that act as one party get a tampered artifact accepted, are noticed, or block the honest one, in a draw by chance: for several policies side by side, or for the one of --agree and --of. In a project its own floors come first.',
    examples: [
      'quorate policy --operators 12 --suspect 20%',
      'quorate policy --operators 12 --suspect 3 --agree 2 --of 3 --cosign none',
      'quorate policy --operators 40 --suspect 33% --risk 0.1% --json',
    ],
  })
    .option(
      '--operators <n>',
      `operators (invites, not machines) that take part, 1 to ${trustLimits.oddsOperatorsMax}; default in a project: those that its running controller knows`,
      wholeNumberFrom(1, trustLimits.oddsOperatorsMax),
    )
    .addOption(
      new Option(
        '--suspect <share>',
        'how many of them act as one party against you: a share (20%, rounded up) or a number (3)',
      )
        .argParser(suspectValue)
        .default({ share: 0.2 }, '20%'),
    )
    .option('--agree <n>', 'operators that must agree; with --of', wholeNumberFrom(1, slotsMax))
    .option(
      '--of <m>',
      `operators asked in a round, up to ${slotsMax}; with --agree`,
      wholeNumberFrom(1, slotsMax),
    )
    .option(
      '--rounds <r>',
      `rounds at most, up to ${roundsMax}; default: as the floor, else ${roundsDefault}`,
      wholeNumberFrom(1, roundsMax),
    )
    .addOption(
      new Option(
        '--cosign <kind>',
        "whether the trusted worker's signature is asked for; default: both",
      ).choices(cosignKinds),
    )
    .addOption(
      new Option('--risk <share>', 'share of the jobs in which you accept tampering')
        .argParser(percentValue)
        .default(riskDefault, '1%'),
    )
    .action(act(run));

function suspectValue(text: string): Suspect {
  if (/^\d{1,6}$/.test(text)) return { operators: Number(text) };
  const share = shareIn(text);
  if (share === undefined)
    throw new InvalidArgumentError(
      'Give a share of the operators from 0% to 100%, such as 20%, or how many, such as 3.',
    );
  return { share };
}

function percentValue(text: string): number {
  const share = shareIn(text);
  if (share === undefined) throw new InvalidArgumentError('Give a share from 0% to 100%, such as 1%.');
  return share;
}

function shareIn(text: string): number | undefined {
  const [, digits] = /^(\d{1,3}(?:\.\d{1,6})?)%$/.exec(text) ?? [];
  const percent = Number(digits ?? Number.NaN);
  return percent <= 100 ? percent / 100 : undefined;
}

/** Where a policy of the table comes from. */
type From = 'floor' | 'test-floor' | 'given' | 'common';
type Row = PolicyOdds & { from: From[] };

async function run({ cwd, out }: Context, options: Options): Promise<Exit> {
  const votes = votesOf(options);
  const folder = await projectHere(cwd);
  const charter = folder?.charter;
  const operators = options.operators ?? (await knownOperators(folder?.dir));
  const { risk } = options;
  const rounds = options.rounds ?? charter?.floor.rounds ?? roundsDefault;
  const population = { operators, dishonest: suspectsOf(options.suspect, operators) };
  const told = options.operators === undefined ? 'controller' : 'given';
  const { bold } = out.colours;
  const legend = (names: readonly (readonly [string, string])[]) =>
    out.say('', ...names.map(([name, says]) => `${name.padEnd(8)}  ${says}`));
  const asked = { ...population, operatorsFrom: told, risk };
  const controllerSays = told === 'controller' ? " The number of operators is the controller's word." : '';
  out.say(bold(`${sayPopulation(population, options.suspect)}${controllerSays}`));
  const columns = oddsColumns(risk);
  if (votes === undefined) {
    const rows = compared(charter, population, { risk, rounds, cosign: options.cosign });
    const advice = adviceOn(population, { risk, rounds });
    out.value({ ...asked, policies: rows.map(jsonOf), shares: [], advice, uncovered });
    const heads = columns.map(([name]) => name);
    out.say('');
    out.table([
      ['policy', ...heads],
      ...rows.map((row) => [shortText(row, rounds), ...oddsCells(row.odds), String(row.bears)]),
    ]);
    const marks = Object.entries(markOf).filter(([from]) =>
      rows.some((row) => row.from.includes(from as From)),
    );
    const roundsText = rounds === 1 ? 'one round' : `up to ${rounds} rounds`;
    legend([
      ['policy', `agree/of, in ${roundsText}; +cosign: your trusted worker has to build the same`],
      ...marks.map(
        ([from, mark]) =>
          [mark, from === 'floor' ? 'the floor of this project' : 'its floor for tests'] as const,
      ),
      ...columns,
    ]);
    out.say('', bold('Choose'), ...listed(advice));
  } else {
    const policy: Policy = { ...votes, rounds, cosign: options.cosign ?? 'required' };
    const row: Row = { ...policyOdds(policy, population, risk), from: ['given'] };
    const shares = oddsByShare(policy, operators);
    out.value({ ...asked, policies: [jsonOf(row)], shares, advice: [], uncovered });
    const few = columns.slice(0, -1);
    out.say('', `${conditionsText(policy)}, in ${counted(rounds, 'round')} at most`);
    out.say(...listed(sayOdds(row, population, risk)), '');
    out.table([
      ['suspects', ...few.map(([name]) => name)],
      ...shares.map((one) => [suspectsText(one), ...oddsCells(one.odds)]),
    ]);
    legend([['suspects', 'share of the operators, and how many these are'], ...few]);
  }
  out.say('', bold('Not in these figures'), ...listed(uncovered));
  return exits.done;
}

/** @throws {QuorateError} `CLI_USAGE` */
function votesOf({ agree, of }: Options): Pick<Policy, 'agree' | 'of'> | undefined {
  if (agree === undefined && of === undefined) return undefined;
  if (agree === undefined || of === undefined)
    throw new QuorateError('CLI_USAGE', '--agree and --of are given together, or neither', {
      hint: 'quorate policy --operators 12 --agree 2 --of 3',
    });
  const wrong = votesWrong(agree, of);
  if (wrong !== undefined)
    throw new QuorateError(
      'CLI_USAGE',
      `--agree ${agree} --of ${of} is no policy: ${wrong.charAt(0).toLowerCase()}${wrong.slice(1, -1)}`,
      { hint: 'Such as --agree 2 --of 3, or --agree 3 --of 5.' },
    );
  return { agree, of };
}

/** @throws {QuorateError} `CLI_USAGE` */
function suspectsOf(suspect: Suspect, operators: number): number {
  if ('share' in suspect) return dishonestOf(operators, suspect.share);
  if (suspect.operators > operators)
    throw new QuorateError(
      'CLI_USAGE',
      `--suspect ${suspect.operators} is more than ${counted(operators, 'operator')}`,
      { hint: 'Give as many as there are at most, or a share such as 20%.' },
    );
  return suspect.operators;
}

/** The operators that the running controller of a project counts. @throws {QuorateError} `CLI_USAGE` */
async function knownOperators(dir: string | undefined): Promise<number> {
  const { askIfRunning } = await import('../controller-socket.ts');
  const status = dir === undefined ? undefined : await askIfRunning<Status>(dir, { do: 'status' });
  const known = status?.operators.worker ?? 0;
  if (known > 0) return Math.min(known, trustLimits.oddsOperatorsMax);
  const why =
    dir === undefined
      ? 'you are in no project'
      : status === undefined
        ? 'no controller runs from this folder'
        : 'the controller knows none yet';
  throw new QuorateError('CLI_USAGE', `say how many operators take part: ${why}`, {
    hint: 'quorate policy --operators 12',
  });
}

interface Status {
  operators: { worker: number };
}

/** The project's own floors, then policies to compare; each once. */
function compared(
  charter: Charter | undefined,
  population: Population,
  { risk, rounds, cosign }: { risk: number; rounds: number; cosign: Policy['cosign'] | undefined },
): Row[] {
  const rows = new Map<string, { policy: Policy; from: From[] }>();
  const add = (policy: Policy, from: From) => {
    const text = policyText(policy);
    const before = rows.get(text);
    if (before === undefined) rows.set(text, { policy, from: [from] });
    else before.from.push(from);
  };
  if (charter !== undefined) {
    add(charter.floor, 'floor');
    add(charter.testFloor ?? charter.floor, 'test-floor');
  }
  for (const policy of commonPolicies(population.operators, { cosign, rounds })) add(policy, 'common');
  return [...rows.values()].map(({ policy, from }) => ({ ...policyOdds(policy, population, risk), from }));
}

const markOf: Partial<Record<From, string>> = { floor: '*', 'test-floor': '+' };

const shortText = ({ policy, from }: Row, rounds: number): string => {
  const marks = from.map((one) => markOf[one] ?? '').join('');
  return `${policyText(policy, rounds)}${marks === '' ? '' : ` ${marks}`}`;
};

const jsonOf = ({ policy, odds, bears, from }: Row) => ({ policy, from, odds, dishonestMax: bears });

const listed = (texts: readonly string[]): string[] => texts.map((text) => `- ${text}`);

function sayPopulation({ operators, dishonest }: Population, suspect: Suspect): string {
  const share =
    'share' in suspect
      ? ` (${oddsText(suspect.share)}${isRounded(suspect.share, operators) ? ', rounded up' : ''})`
      : '';
  const all = counted(operators, 'operator');
  if (dishonest === 0) return `${all}, none of them suspect${share}.`;
  return `${all}; ${dishonest} of them${share} ${dishonest === 1 ? 'is' : 'are one party,'} against you.`;
}

const isRounded = (share: number, operators: number): boolean =>
  Math.abs(dishonestOf(operators, share) - operators * share) > 1e-9;
