import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Checked } from './check.ts';
import { runTarget } from './runner.ts';
import { moduleOf, targets } from './targets/index.ts';

const usage = `usage: npm run fuzz [-- [--seconds N] [--seed N] [--only NAME]... [--path PATH | --input LINE]]

  --seconds N   for all targets together (60)
  --seed N      what the inputs follow from; otherwise one is drawn, and printed
  --only NAME   this target alone; may be given several times
  --path PATH   go at once to the input that a finding names, with its --seed and --only
  --input LINE  this input alone, as a finding prints it

targets: ${targets.map(({ name }) => name).join(', ')}
`;

const say = (line: string) => process.stdout.write(`${line}\n`);
const leastMs = 200;

/** Shares out the time that is left among the targets that are left, less what a process takes to start and to end. */
class Clock {
  readonly #until: number;
  readonly #lanes: number;
  #aroundMs = 800;

  constructor(seconds: number, lanes: number) {
    this.#until = performance.now() + seconds * 1000;
    this.#lanes = lanes;
  }

  share(targetsLeft: number): number {
    const left = Math.max(0, this.#until - performance.now());
    return Math.max(leastMs, (left * this.#lanes) / targetsLeft - this.#aroundMs);
  }

  took(ms: number, of: number): void {
    this.#aroundMs += (Math.max(0, of - ms) - this.#aroundMs) / 4;
  }
}

class UsageError extends Error {}

function wholeNumber(text: string, name: string): number {
  if (!/^[0-9]{1,9}$/.test(text)) throw new UsageError(`--${name} takes a whole number, not "${text}"`);
  return Number(text);
}

function readArguments(args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string' },
      only: { type: 'string', multiple: true },
      path: { type: 'string' },
      input: { type: 'string' },
    },
  });
  const names = values.only ?? targets.map(({ name }) => name);
  const unknown = names.find((only) => !targets.some(({ name }) => name === only));
  if (unknown !== undefined) throw new UsageError(`no target is called "${unknown}"`);
  if ((values.path ?? values.input) !== undefined && names.length !== 1)
    throw new UsageError('one input belongs to one target: --only NAME');
  return {
    names,
    seconds: wholeNumber(values.seconds, 'seconds'),
    seed: values.seed === undefined ? randomInt(2 ** 30 - 1) : wholeNumber(values.seed, 'seed'),
    path: values.path,
    input: values.input,
  };
}

function describe(name: string, seed: number, { inputs, outcomes, finding }: Checked): string[] {
  const refused = Object.keys(outcomes).filter((outcome) => outcome !== 'taken');
  if (finding === undefined)
    return [`${name}: ${inputs} inputs, ${outcomes.taken ?? 0} taken, ${refused.length} ways to be refused`];
  return [
    `${name}: FOUND after ${inputs} inputs: ${finding.what}`,
    `  input: ${finding.input}`,
    `  again: npm run fuzz -- --only ${name} --seed ${seed}${finding.path === '' ? " --input '<the line above>'" : ` --path ${finding.path}`}`,
  ];
}

async function main(args: string[]): Promise<number> {
  const { names, seconds, seed, path, input } = readArguments(args);
  const lanes = Math.min(names.length, 2, availableParallelism());
  say(`seed ${seed}, ${names.length} target(s), ${seconds} s; node ${process.version}`);
  const clock = new Clock(seconds, lanes);
  const dir = await mkdtemp(join(tmpdir(), 'quorate-fuzz-'));
  const found: string[] = [];
  let inputs = 0;
  const waiting = [...names];
  const lane = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const ms = clock.share(waiting.length + 1);
      const began = performance.now();
      const checked = await runTarget({ module: moduleOf(name), name, seed, ms, path, input, dir });
      clock.took(ms, performance.now() - began);
      for (const line of describe(name, seed, checked)) say(line);
      inputs += checked.inputs;
      if (checked.finding !== undefined) found.push(name);
    }
  };
  try {
    await Promise.all(Array.from({ length: lanes }, lane));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
  say(
    `${inputs} inputs, seed ${seed}: ${found.length === 0 ? 'nothing found' : `found in ${found.join(', ')}`}`,
  );
  return found.length === 0 ? 0 : 1;
}

try {
  const args = process.argv.slice(2);
  if (args.includes('--help')) process.stdout.write(usage);
  else process.exitCode = await main(args);
} catch (error) {
  const wrong = error instanceof UsageError || (error instanceof TypeError && 'code' in error);
  if (!wrong) throw error;
  process.stderr.write(`${error.message}\n\n${usage}`);
  process.exitCode = 2;
}
