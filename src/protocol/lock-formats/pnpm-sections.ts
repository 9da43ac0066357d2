/**
 * Keys of a pnpm lock that nothing here reads, by the number of blanks before them: at the top; of a package or of a snapshot. They are most of
 * the text, and YAML is slow to read: with them 50,000 packages take 7 s instead of 2.
 */
const unread: Readonly<Record<number, ReadonlySet<string>>> = {
  0: new Set(['settings', 'importers', 'catalogs', 'overrides', 'patchedDependencies', 'time']),
  4: new Set([
    ...['engines', 'deprecated', 'hasBin', 'bundledDependencies'],
    ...['peerDependencies', 'peerDependenciesMeta'],
    ...['dependencies', 'optionalDependencies', 'transitivePeerDependencies'],
  ]),
};

/** A line that begins with a key, and the blanks before it. */
const keyLine = /^( *)([A-Za-z]+):(?: |$)/;

/** Some lines of a text, and the number that each of them has there, from 1. */
export interface Kept {
  text: string;
  numbers: readonly number[];
}

/** The text without these keys, what lies below them, and empty lines. */
export function withoutUnread(text: string): Kept {
  const kept: string[] = [];
  const numbers: number[] = [];
  /** Blanks before the key whose values are left out; undefined outside of one. */
  let below: number | undefined;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line === '' || (below !== undefined && !isOutside(line, below))) continue;
    const [, blanks = '', key = ''] = keyLine.exec(line) ?? [];
    below = unread[blanks.length]?.has(key) === true ? blanks.length : undefined;
    if (below !== undefined) continue;
    kept.push(line);
    numbers.push(index + 1);
  }
  return { text: kept.join('\n'), numbers };
}

/** Whether a line is of no value of a key with so many blanks before it. Lists may begin where their key does. */
function isOutside(line: string, blanks: number): boolean {
  const first = line.search(/[^ ]/);
  return first !== -1 && first <= blanks && !(first === blanks && line.startsWith('- ', first));
}
