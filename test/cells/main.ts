import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bringPrograms } from '../support/bring-programs.ts';
import { runScript } from '../support/script.ts';
import { type Arch, type Cell, cells, count, isGood, type Row, type Said, table } from './cells.ts';
import { type GuestEnd, runGuest } from './guest.ts';
import { makeImages } from './images.ts';

const usage = `usage: npm run cells -- [--cells NAME,…] [--minutes N] [--keep FOLDER]

Runs tests of the sandbox where this machine cannot: in guests with Debian's kernel that QEMU emulates, with cgroup v2 alone
and on aarch64. As root. Each test that failed is named as it ends; a table comes last.

  --cells NAME,…  these only: by name, or all that have a part in their names
  --minutes N     time for each guest (180; 1 to 1440)
  --keep FOLDER   keep file systems and consoles of guests there, and use those that are there
`;

const say = (line: string): unknown => process.stdout.write(`${line}\n`);

interface Options {
  chosen: readonly Cell[];
  minutes: number;
  keep: string | undefined;
}

function optionsOf(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      cells: { type: 'string' },
      minutes: { type: 'string', default: '180' },
      keep: { type: 'string' },
    },
  });
  const minutes = /^\d{1,4}$/.test(values.minutes) ? Number(values.minutes) : 0;
  if (minutes < 1 || minutes > 1440) throw new Error('--minutes takes 1 to 1440');
  const names = values.cells?.split(',') ?? [''];
  const isWhole = (part: string) => cells.some(({ name }) => name === part);
  const chosen = cells.filter(({ name }) =>
    names.some((part) => name === part || (!isWhole(part) && name.includes(part))),
  );
  if (chosen.length === 0)
    throw new Error(`--cells takes parts of: ${cells.map(({ name }) => name).join('; ')}`);
  if (process.getuid?.() !== 0) throw new Error('it makes roots of Debian packages, which needs root');
  return { chosen, minutes, keep: values.keep };
}

/** A line for each account: its name, and the files of its cells. */
function planOf(chosen: readonly Cell[]): string {
  const accounts = [...new Set(chosen.map(({ account }) => account))];
  const filesOf = (account: string) => [
    ...new Set(chosen.filter((cell) => cell.account === account).flatMap(({ files }) => files)),
  ];
  return accounts.map((account) => `${[account, ...filesOf(account)].join(' ')}\n`).join('');
}

const ends: Record<GuestEnd, string> = {
  itself: 'ended',
  time: 'was ended: its time is over',
  stopped: 'was ended by a signal',
};

async function runCells(
  arch: Arch,
  chosen: readonly Cell[],
  folder: string,
  ms: number,
  signal: AbortSignal,
): Promise<Row[]> {
  say(`${arch}: makes the file systems of a guest`);
  const images = makeImages(folder, arch, planOf(chosen));
  const said: Said[] = [];
  const began = performance.now();
  say(`${arch}: boots`);
  const console = join(folder, `console-${arch}`);
  const onSaid = (one: Said) => {
    said.push(one);
    if ('state' in one && one.state === 'failed')
      say(
        `failed: ${one.account}: ${one.file} > ${one.test}\n${(one.message ?? '').replaceAll(/^/gm, '  ')}`,
      );
  };
  const end = await runGuest({ images, arch, console, ms, signal, onSaid });
  say(`${arch}: the guest ${ends[end]} after ${Math.round((performance.now() - began) / 1000)} s`);
  return count(chosen, said);
}

async function main(options: Options): Promise<number> {
  const ready = bringPrograms('cells');
  if (ready !== 0) return ready;
  const stopped = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stopped.abort());
  const folder = options.keep ?? mkdtempSync('/var/tmp/quorate-cells-');
  try {
    const rows: Row[] = [];
    for (const arch of new Set(options.chosen.map((cell) => cell.arch))) {
      if (stopped.signal.aborted) break;
      const mine = options.chosen.filter((cell) => cell.arch === arch);
      rows.push(...(await runCells(arch, mine, folder, options.minutes * 60_000, stopped.signal)));
    }
    process.stdout.write(table(rows));
    if (stopped.signal.aborted) return 130;
    return rows.every(isGood) ? 0 : 1;
  } finally {
    if (options.keep === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

process.exit(await runScript(usage, optionsOf, main));
