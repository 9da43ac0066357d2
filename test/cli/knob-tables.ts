import { knobList } from '../../src/core/lending-knobs.ts';

const markers = (name: string): [string, string] => [`<!-- ${name}: begin -->\n`, `<!-- ${name}: end -->`];
const cell = (text: string) => text.replaceAll('|', '\\|');

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`;
  return `${line(head)}|${'---|'.repeat(head.length)}\n${rows.map((row) => line(row.map(cell))).join('')}`;
}

const tables: Record<string, { name: string; text: string }> = {
  'docs/lending.md': {
    name: 'who-enforces',
    text: table(
      ['`worker.toml`', 'default', '`worker limits`', 'who enforces it', 'when a build reaches it'],
      knobList.map(({ file, usually, suffix, live, enforcedBy, reached }) => [
        `\`${file}\``,
        suffix === undefined || !/^[0-9]/.test(usually) ? usually : `${usually} ${suffix}`,
        live ?? 'at the next start',
        enforcedBy,
        reached,
      ]),
    ),
  },
  'docs/cli.md': {
    name: 'worker-toml',
    text: table(
      ['`worker.toml`', 'option of `worker limits`', 'what it sets', 'default', 'example'],
      knobList.map(({ file, option, lifts, what, usually, example }) => [
        `\`${file}\``,
        option === undefined ? '' : `\`${option}\`${lifts ? ', `none` lifts it' : ''}`,
        what,
        usually,
        `\`${example}\``,
      ]),
    ),
  },
};

/** Pages with a table of the knobs. */
export const knobPages = Object.keys(tables);

/** The page with its table made anew. */
export function withKnobs(path: string, page: string): string {
  const { name = '', text = '' } = tables[path] ?? {};
  const [begin, end] = markers(name);
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`${path} has no place for its table ${name}`);
  return page.slice(0, from + begin.length) + text + page.slice(to);
}
