import { knobList } from '../../src/worker/lending-knobs.ts';

const cell = (text: string) => text.replaceAll('|', '\\|');

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`;
  return `${line(head)}|${'---|'.repeat(head.length)}\n${rows.map((row) => line(row.map(cell))).join('')}`;
}

/** The page with the table of the knobs. */
export const knobPage = 'docs/lending.md';

const text = table(
  [
    '`worker.toml`',
    'what it sets',
    'default',
    '`worker limits`',
    'who enforces it',
    'when a build reaches it',
  ],
  knobList.map(({ file, what, usually, suffix, option, live, enforcedBy, reached }) => [
    `\`${file}\``,
    what,
    suffix === undefined || !/^[0-9]/.test(usually) ? usually : `${usually} ${suffix}`,
    option === undefined ? '' : `\`${option}\`${live === 'the next builds' ? `, ${live}` : ''}`,
    enforcedBy,
    reached,
  ]),
);

/** The page with its table made anew. */
export function withKnobs(page: string): string {
  const [begin, end] = ['<!-- who-enforces: begin -->\n', '<!-- who-enforces: end -->'];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`${knobPage} has no place for its table`);
  return page.slice(0, from + begin.length) + text + page.slice(to);
}
