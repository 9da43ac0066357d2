import { parseArgs } from 'node:util';
import { endAll } from '../../test/e2e/support/processes.ts';
import { runScript } from '../../test/support/script.ts';
import { soak } from './soak.ts';

const usage = `usage: npm run soak [-- [--minutes N]]

Runs a project of real processes whose memberships last seconds: jobs all the time, restarts, a new charter every minute,
an operator that is revoked after half of the time. Afterwards every job has to have its verdict, each artifact its proof, and no process may have grown.

  --minutes N   how long (20; 2 to 600)
`;

const say = (line: string): unknown => process.stdout.write(`${line}\n`);

function minutesOf(args: string[]): number {
  const { values } = parseArgs({ args, options: { minutes: { type: 'string', default: '20' } } });
  const minutes = /^\d{1,3}$/.test(values.minutes) ? Number(values.minutes) : Number.NaN;
  if (!(minutes >= 2 && minutes <= 600)) throw new Error(`--minutes takes 2 to 600, not "${values.minutes}"`);
  return minutes;
}

async function main(minutes: number): Promise<number> {
  const stopped = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stopped.abort());
  try {
    const { figures, problems } = await soak({ minutes, say, signal: stopped.signal });
    for (const [name, figure] of Object.entries(figures)) say(`${name}: ${figure}`);
    for (const problem of problems) say(`problem: ${problem}`);
    say(problems.length === 0 ? 'soak: passed' : `soak: ${problems.length} problems`);
    return stopped.signal.aborted ? 130 : problems.length === 0 ? 0 : 1;
  } finally {
    await endAll();
  }
}

process.exit(await runScript(usage, minutesOf, main));
