import { readFileSync, writeFileSync } from 'node:fs';
import { type Answer, type Cells, type Party, parties, rowOf, rows, type State, states } from './table.ts';

const file = new URL('./cells.json', import.meta.url);

/** What every party answers to every document, as it was last walked and looked through. */
export const cells = (): Cells => JSON.parse(readFileSync(file, 'utf8'));

/** Puts what was walked in the place of what these parties answered before. For whoever then reads the difference. */
export function writeCells(asked: readonly Party[], walked: Cells): void {
  const kept = cells();
  const answerOf = (row: string, state: State, party: Party) =>
    (asked.includes(party) ? walked : kept)[row]?.[state]?.[party];
  writeFileSync(file, `${JSON.stringify(tableOf(parties, answerOf), null, 2)}\n`);
}

/** Only the answers of these parties. */
export function cellsOf(asked: readonly Party[], all: Cells = cells()): Cells {
  return tableOf(asked, (row, state, party) => all[row]?.[state]?.[party]);
}

function tableOf(
  of: readonly Party[],
  answerOf: (row: string, state: State, party: Party) => Answer | undefined,
): Cells {
  const found: Record<string, Record<string, Record<string, Answer>>> = {};
  for (const row of rows.map(rowOf))
    for (const state of states)
      for (const party of of) {
        const answer = answerOf(row, state, party);
        if (answer === undefined) continue;
        found[row] ??= {};
        found[row][state] ??= {};
        found[row][state][party] = answer;
      }
  return found;
}
