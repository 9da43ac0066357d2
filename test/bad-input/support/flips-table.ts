import { join } from 'node:path';

/** Outcomes of the flipped bits of a file, as counts. */
export interface Flips {
  file: string;
  refused: number;
  codes: string[];
}

export const page = join(import.meta.dirname, '..', '..', '..', 'docs', 'reliability.md');
const [begin, end] = ['<!-- flipped bits -->', '<!-- end of flipped bits -->'];

/** The page with the table of these. */
export function flipsTable(text: string, found: readonly Flips[], positions: number): string {
  const rows = found.map(
    ({ file, refused, codes }) =>
      `| \`${file}\` | ${refused} | ${codes.map((code) => `\`${code}\``).join(', ')} |`,
  );
  const table = [`| file, ${positions} bits each | refused or found | as |`, '|---|---|---|', ...rows];
  const [before, rest] = [text.slice(0, text.indexOf(begin)), text.slice(text.indexOf(end))];
  return `${before}${begin}\n${table.join('\n')}\n${rest}`;
}
