// Whether the tests notice when a guard is gone: npm run mutate. Nothing is written into the checkout; what was found is kept below
// node_modules/.cache, by commit and seed.
import { constants } from 'node:os';
import { parseArgs } from 'node:util';
import { commitOf } from './copy.ts';
import { measured } from './draw.ts';
import { Measurement } from './measurement.ts';

const usage = `usage: npm run mutate [-- [--seed HEX] [--commit REVISION] [--count N] [--path FOLDER]... [--budget SECONDS] [--jobs N]
                      [--tests FOLDER]... [--list]]

  --seed HEX         what the mutations follow from (the first 8 digits of the commit)
  --commit REVISION  what is measured (HEAD); what is not committed is not looked at
  --count N          mutations of each folder (15)
  --path FOLDER      one of those that are measured; may be given several times (${measured.join(', ')})
  --budget SECONDS   of tests for each mutation, as long as they took unchanged (120)
  --jobs N           copies that work at once (1)
  --tests FOLDER     look for tests here alone; may be given several times (test)
  --list             only say what would be mutated
`;

class UsageError extends Error {}

function wholeNumber(text: string, name: string): number {
  if (!/^[1-9][0-9]{0,5}$/.test(text)) throw new UsageError(`--${name} takes a whole number, not "${text}"`);
  return Number(text);
}

function readArguments(args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: 'string' },
      commit: { type: 'string', default: 'HEAD' },
      count: { type: 'string', default: '15' },
      path: { type: 'string', multiple: true, default: [...measured] },
      budget: { type: 'string', default: '120' },
      jobs: { type: 'string', default: '1' },
      tests: { type: 'string', multiple: true, default: ['test'] },
      list: { type: 'boolean', default: false },
    },
  });
  let commit: string;
  try {
    commit = commitOf(values.commit);
  } catch {
    throw new UsageError(`--commit takes a revision of this repository, not "${values.commit}"`);
  }
  const seed = values.seed ?? commit.slice(0, 8);
  if (!/^[0-9a-f]{1,16}$/.test(seed)) throw new UsageError(`--seed takes hexadecimal digits, not "${seed}"`);
  const unknown = values.path.find((path) => !(measured as readonly string[]).includes(path));
  if (unknown !== undefined) throw new UsageError(`"${unknown}" is not one of ${measured.join(', ')}`);
  return {
    commit,
    seed,
    folders: values.path,
    tests: values.tests,
    listOnly: values.list,
    count: wholeNumber(values.count, 'count'),
    budgetMs: wholeNumber(values.budget, 'budget') * 1000,
    jobs: wholeNumber(values.jobs, 'jobs'),
  };
}

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => {
    process.exitCode = 128 + constants.signals[signal];
    stop.abort(new Error(`ended by ${signal}; the same command goes on from here`));
  });

try {
  const args = process.argv.slice(2);
  if (args.includes('--help')) process.stdout.write(usage);
  else {
    const { listOnly, ...order } = readArguments(args);
    const measurement = new Measurement(order, stop.signal);
    if (listOnly) measurement.list();
    else await measurement.run();
  }
} catch (error) {
  const wrong = error instanceof UsageError || (error instanceof TypeError && 'code' in error);
  if (!wrong && !stop.signal.aborted) throw error;
  process.stderr.write(
    `mutate: ${error instanceof Error ? error.message : error}\n${wrong ? `\n${usage}` : ''}`,
  );
  if (wrong) process.exitCode = 2;
}
