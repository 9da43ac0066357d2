import { parseArgs } from 'node:util';
import { endAll } from '../../e2e/support/processes.ts';
import { bringPrograms } from '../../support/bring-programs.ts';
import { runScript } from '../../support/script.ts';
import { chaos } from './chaos.ts';

const usage = `usage: npm run chaos -- --seed N [--faults N]

Runs a project of real processes in network namespaces, with runs all the time, through faults that the seed draws: kill -9,
SIGSTOP, cut links, full disks, few descriptors, wrong clocks, older copies of the controller that are put back, and a flipped
bit or a cut in the files of each home. As root.

  --seed N     which faults
  --faults N   how many (100; 1 to 10000); those of fewer are the first of more
`;

const say = (line: string): unknown => process.stdout.write(`${line}\n`);

function wholeNumber(text: string | undefined, name: string, least: number, most: number): number {
  const number = text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(number >= least && number <= most)) throw new Error(`--${name} takes ${least} to ${most}`);
  return number;
}

interface Options {
  seed: number;
  faults: number;
}

function optionsOf(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: { seed: { type: 'string' }, faults: { type: 'string', default: '100' } },
  });
  const seed = wholeNumber(values.seed, 'seed', 0, 999_999_999);
  const faults = wholeNumber(values.faults, 'faults', 1, 10_000);
  if (process.getuid?.() !== 0) throw new Error('it makes network namespaces and mounts, which needs root');
  return { seed, faults };
}

async function main(options: Options): Promise<number> {
  const ready = bringPrograms('chaos');
  if (ready !== 0) return ready;
  const stopped = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stopped.abort());
  say(`seed ${options.seed}, ${options.faults} faults`);
  try {
    const { figures, findings } = await chaos({ ...options, say, signal: stopped.signal });
    for (const [name, figure] of Object.entries(figures)) say(`${name}: ${figure}`);
    for (const finding of findings) say(`finding: ${finding}`);
    say(findings.length === 0 ? 'chaos: no finding' : `chaos: ${findings.length} findings`);
    return stopped.signal.aborted ? 130 : findings.length === 0 ? 0 : 1;
  } finally {
    await endAll();
  }
}

process.exit(await runScript(usage, optionsOf, main));
