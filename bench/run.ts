import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { End } from '../test/support/other-process.ts';

export { answer, type End } from '../test/support/other-process.ts';

/** One measured number. A ratio says more than the number: machines differ and are shared, both sides of it are not. */
export interface Figure {
  suite: string;
  name: string;
  value: number;
  unit: string;
  /** The value that it is measured against, in the same run and unit. */
  reference?: { name: string; value: number };
  /** value : reference. */
  ratio?: number;
  /** The bound for the ratio, or without a reference for the value; `under` where less is better. */
  aim?: { over: number } | { under: number };
  reached?: boolean;
  note?: string;
}

/** A part of the bench: measures, and reports each figure as soon as it has it. */
export interface Suite {
  what: string;
  /** More than this and the run is ended. */
  secondsMax: number;
  run(bench: Bench): Promise<void>;
}

const folders: string[] = [];

export async function removeFolders(): Promise<void> {
  for (const dir of folders.splice(0)) await rm(dir, { recursive: true, force: true });
}

/** The tools of a suite. Everything opened through it is closed when the suite ends. */
export class Bench {
  readonly figures: Figure[] = [];
  readonly #suite: string;
  readonly #closers: (() => unknown)[] = [];

  constructor(suite: string) {
    this.#suite = suite;
  }

  /** Prints a figure as a JSON line. `beside`: name and value of its reference. `under`, `over`: the aim. */
  figure(
    name: string,
    value: number,
    unit: string,
    options: { beside?: readonly [string, number]; under?: number; over?: number; note?: string } = {},
  ): void {
    const { beside, under, over, note } = options;
    const ratio = beside && value / beside[1];
    const compared = ratio ?? value;
    const figure: Figure = {
      suite: this.#suite,
      name,
      value: rounded(value),
      unit,
      ...(beside && { reference: { name: beside[0], value: rounded(beside[1]) } }),
      ...(ratio !== undefined && { ratio: rounded(ratio) }),
      ...(under !== undefined && { aim: { under }, reached: compared <= under }),
      ...(over !== undefined && { aim: { over }, reached: compared >= over }),
      ...(note !== undefined && { note }),
    };
    this.figures.push(figure);
    process.stdout.write(`${JSON.stringify(figure)}\n`);
  }

  /** Runs before the suite ends, the last given first. */
  after(close: () => unknown): void {
    this.#closers.push(close);
  }

  /**
   * A new folder under the system's temporary one. It stays until all suites are done: ext4 passes over inodes freed in
   * the last seconds one by one, which makes every file that is created right after a removal ten times as dear.
   */
  async folder(): Promise<string> {
    const dir = await mkdtemp(join(tmpdir(), 'quorate-bench-'));
    folders.push(dir);
    return dir;
  }

  /** Starts a program beside this one, which answers commands (see `answer`). */
  end(program: URL, args: string[] = []): End {
    const child = fork(program, args, { execArgv: ['--disable-warning=ExperimentalWarning'] });
    this.after(() => child.kill('SIGKILL'));
    return new End(child);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
  }
}

export const smallFiles = 5_000;
export const smallBytes = 2_000;

/** Fills a folder with two trees of random bytes: `large`, of one file, and `small`, of many. */
export async function writeTrees(dir: string, largeBytes: number): Promise<void> {
  await mkdir(join(dir, 'large'));
  await writeFile(join(dir, 'large/file'), randomBytes(largeBytes));
  for (let file = 0; file < smallFiles; file += 1) {
    const folder = join(dir, 'small', `d${file % 50}`);
    if (file < 50) await mkdir(folder, { recursive: true });
    await writeFile(join(folder, `f${file}`), randomBytes(smallBytes));
  }
}

/** Seconds that something takes. */
export async function seconds(work: () => unknown): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export interface Taken {
  /** Of the first round, when nothing had run before. */
  cold: number;
  /** Median of the others. */
  warm: number;
}

/**
 * Measures several ways of doing the same in turn, round by round, so that what else the machine does in the meantime
 * falls on all of them. Gives the seconds of each.
 */
export async function inTurn<K extends string>(
  rounds: number,
  ways: Record<K, () => Promise<number>>,
): Promise<Record<K, Taken>> {
  const taken = new Map<K, number[]>();
  for (let round = 0; round <= rounds; round += 1) {
    for (const way of Object.keys(ways) as K[])
      taken.set(way, [...(taken.get(way) ?? []), await ways[way]()]);
  }
  const entries = [...taken].map(([way, all]) => [
    way,
    { cold: all[0] ?? Number.NaN, warm: median(all.slice(1)) },
  ]);
  return Object.fromEntries(entries);
}

const rounded = (value: number): number => Number(value.toPrecision(4));

export function table(figures: readonly Figure[]): string {
  const rows = figures.map(({ suite, name, value, unit, reference, ratio, aim, reached }) => [
    suite,
    name,
    `${value} ${unit}`,
    reference === undefined ? '' : `${reference.value} ${reference.name}`,
    ratio === undefined ? '' : String(ratio),
    aim === undefined
      ? ''
      : `${'over' in aim ? `≥ ${aim.over}` : `≤ ${aim.under}`} ${reached ? 'reached' : 'missed'}`,
  ]);
  const all = [['suite', 'figure', 'value', 'reference', 'ratio', 'aim'], ...rows];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? [];
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
