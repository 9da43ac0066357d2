import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { csvOf, type Table } from './csv.ts';
import { type Plot, svgOf } from './plot.ts';

/** One answer of a simulation: a sentence, its numbers and their picture. */
export interface Figure {
  /** The name of its files. */
  name: string;
  /** One sentence with the numbers that matter. */
  says: string;
  table: Table;
  plot: Plot;
}

/** The answers of a simulation. The same figures for the same seed. */
export type Study = (seed: number) => readonly Figure[] | Promise<readonly Figure[]>;

/** The command that makes the figures again. */
export const commandOf = (what: string, seed: number): string => `npm run simulate -- ${what} --seed ${seed}`;

/** Writes `NAME.csv` and `NAME.svg` of each figure; both name the command. */
export function writeFigures(figures: readonly Figure[], folder: string, command: string): void {
  mkdirSync(folder, { recursive: true });
  for (const { name, table, plot } of figures) {
    writeFileSync(join(folder, `${name}.csv`), csvOf(table, command));
    writeFileSync(join(folder, `${name}.svg`), svgOf(plot, command));
  }
}

/** Tells the sentence of each figure, writes them where a folder is named, and returns them. */
export async function runStudy(
  study: Study,
  {
    what,
    seed,
    out,
    say,
  }: { what: string; seed: number; out: string | undefined; say: (line: string) => void },
): Promise<readonly Figure[]> {
  const figures = await study(seed);
  for (const { name, says } of figures) say(`${name}: ${says}`);
  if (out === undefined) return figures;
  writeFigures(figures, out, commandOf(what, seed));
  say(`${figures.length} figures, a CSV and an SVG each: ${out}`);
  return figures;
}
