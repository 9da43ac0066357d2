import { commandOf, type Figure, writeFigures } from './figure.ts';

/** The answers of a simulation. The same figures for the same seed. */
export type Study = (seed: number) => readonly Figure[] | Promise<readonly Figure[]>;

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
