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
