import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { page, writePage } from './attackers/page.ts';
import { attackers } from './attackers/study.ts';
import { bugs } from './bugs.ts';
import { simulatorWith } from './planted-source.ts';
import { commandOf, runStudy, type Study } from './report/figure.ts';
import { scaleStudy } from './scale/study.ts';
import type { Result } from './simulate.ts';
import * as simulator from './simulate.ts';
import { watchBugs } from './watching/bugs.ts';
import { simulateWatching } from './watching/simulate.ts';

/** The report of a failed seed: the invariant, the last trace lines, and the command to repeat it. */
export function describeFailure(result: Result, bug: string | undefined): string[] {
  const { seed, failure, tail, about } = result;
  if (failure === null) return [];
  const again = `npm run simulate -- faults --seed ${seed}${bug === undefined ? '' : ` --bug ${bug}`}`;
  return [
    '',
    `seed ${seed}: ${failure.invariant} does not hold`,
    `  ${failure.message}`,
    '',
    ...about.map((line) => `  ${line}`),
    '',
    `The last ${tail.length} of ${result.lines} lines:`,
    ...tail,
    '',
    `Again: ${again}`,
  ];
}

function describeResult({ seed, lines, levels }: Result): string {
  return `seed ${seed}: ${lines} lines, verdicts: ${levels.length === 0 ? 'none' : levels.join(', ')}`;
}

/** Simulations that answer with figures. */
const studies: Readonly<Record<string, Study>> = { attackers, scale: scaleStudy };
const named = Object.keys(studies);

const usage = `usage: npm run simulate -- ${['faults', 'watching', ...named].join('|')} [--seeds N] [--from N] [--seed N] [--pipelines] [--bug NAME]

  --seeds N   how many seeds to run (100)
  --from N    the first of them (1)
  --seed N    this one alone, with everything that happens
  --pipelines only seeds in which jobs read what others make; --seeds counts those
  --out DIR   ${named.join(', ')}: writes a CSV and an SVG of each figure there; --seed is 1 by default
  --docs      attackers: writes ${page} and its figures
  --bug NAME  with a mistake planted around the real machines:
${Object.entries({ ...bugs, ...watchBugs })
  .map(([name, { says }]) => `              ${name}: ${says}`)
  .join('\n')}
`;

const say = (line: string) => process.stdout.write(`${line}\n`);

class UsageError extends Error {}

function wholeNumber(text: string, name: string): number {
  if (!/^[0-9]{1,9}$/.test(text)) throw new UsageError(`--${name} takes a whole number, not "${text}"`);
  return Number(text);
}

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'unknown';
  }
}

function readArguments(args: string[]) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      seeds: { type: 'string', default: '100' },
      from: { type: 'string', default: '1' },
      seed: { type: 'string' },
      pipelines: { type: 'boolean', default: false },
      bug: { type: 'string' },
      out: { type: 'string' },
      docs: { type: 'boolean', default: false },
    },
  });
  const [what] = positionals;
  const isStudy = what !== undefined && Object.hasOwn(studies, what);
  if (
    positionals.length !== 1 ||
    what === undefined ||
    (what !== 'faults' && what !== 'watching' && !isStudy)
  )
    throw new UsageError(`what to simulate: ${['faults', 'watching', ...named].join(', ')}`);
  if (values.bug !== undefined && !Object.hasOwn(what === 'faults' ? bugs : watchBugs, values.bug))
    throw new UsageError(`no bug is called "${values.bug}"`);
  if (values.docs && what !== 'attackers') throw new UsageError('--docs is for attackers');
  if (values.out !== undefined && !isStudy) throw new UsageError(`--out is for ${named.join(', ')}`);
  const alone = values.seed !== undefined;
  const from = wholeNumber(values.seed ?? values.from, alone ? 'seed' : 'from');
  const count = alone ? 1 : wholeNumber(values.seeds, 'seeds');
  return {
    what,
    from,
    count,
    alone,
    bug: values.bug,
    pipelines: values.pipelines && !alone,
    out: values.out,
    docs: values.docs,
  };
}

/** `count` seeds that `counts` accepts, from `from` on. */
function* seedsFrom(from: number, count: number, counts: (seed: number) => boolean): Generator<number> {
  for (let seed = from, left = count; left > 0; seed++) {
    if (!counts(seed)) continue;
    left -= 1;
    yield seed;
  }
}

/** A watcher and a hook, each seed once. */
async function watching(from: number, count: number, bug: string | undefined): Promise<number> {
  for (let seed = from; seed < from + count; seed++) {
    const { failure, trace } = await simulateWatching(seed, bug === undefined ? {} : watchBugs[bug]);
    if (failure === null) continue;
    for (const line of trace.lines.slice(-30)) say(line);
    say(`seed ${seed}: ${failure.invariant} does not hold: ${failure.message}`);
    return 1;
  }
  say(`seeds ${from} to ${from + count - 1}: every invariant holds`);
  return 0;
}

async function main(args: string[]): Promise<number> {
  if (args.includes('--help')) {
    process.stdout.write(usage);
    return 0;
  }
  const { what, from, count, alone, bug, pipelines, out, docs } = readArguments(args);
  const study = studies[what];
  if (study !== undefined) {
    const figures = await runStudy(study, { what, seed: from, out, say });
    if (docs) writePage(figures, join(import.meta.dirname, '..'), commandOf(what, from));
    return 0;
  }
  if (what === 'watching') return watching(from, count, bug);
  const which = pipelines
    ? `${count} seeds with pipelines from ${from} on`
    : `seeds ${from} to ${from + count - 1}`;
  say(`${which}, each run twice; commit ${commit()}${bug === undefined ? '' : `; bug ${bug}`}`);
  const planted = bug === undefined ? undefined : bugs[bug];
  const { source, rates = {}, scenario = {}, patches } = planted ?? {};
  const { simulate } = source === undefined ? simulator : await simulatorWith(source);
  const changed = planted === undefined ? {} : { rates, scenario, ...(patches && { patches }) };
  for (const seed of seedsFrom(from, count, pipelines ? simulator.hasPipeline : () => true)) {
    const about = simulator.aboutSeed(seed);
    for (const line of alone ? about : about.slice(0, 1)) say(`seed ${seed}: ${line}`);
    const result = await simulate(seed, changed);
    if (result.failure !== null) {
      for (const line of describeFailure(result, bug)) say(line);
      return 1;
    }
    if (alone) for (const line of result.trace) say(line);
    say(describeResult(result));
  }
  say(`${count} seed(s): every invariant holds`);
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const wrong = error instanceof UsageError || (error instanceof TypeError && 'code' in error);
  if (!wrong) throw error;
  process.stderr.write(`${error.message}\n\n${usage}`);
  process.exitCode = 2;
}
