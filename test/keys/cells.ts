import { readFileSync, writeFileSync } from 'node:fs';
import { type Answer, type Cells, type Party, parties, rowOf, rows, type State, states } from './table.ts';

const file = new URL('./cells.json', import.meta.url);

/** In the file, by row and state: each answer, with the parties that give it. */
type Stored = Readonly<Record<string, Partial<Record<State, Readonly<Record<Answer, string>>>>>>;

/** The answers of every party to every document, as they were last walked and looked through. */
export function cells(): Cells {
  const stored: Stored = JSON.parse(readFileSync(file, 'utf8'));
  return tableOf(
    parties,
    (row, state, party) =>
      Object.entries(stored[row]?.[state] ?? {}).find(([, by]) => by.split(', ').includes(party))?.[0],
  );
}

/** Each answer of a document in a state, with the parties that give it. */
export function grouped(answers: Partial<Record<Party, Answer>>): Record<Answer, Party[]> {
  return Object.groupBy(
    parties.filter((party) => answers[party] !== undefined),
    (party) => answers[party] ?? '',
  ) as Record<Answer, Party[]>;
}

/** Replaces the stored answers of these parties by those that were walked. For whoever then reads the difference. */
export function writeCells(asked: readonly Party[], walked: Cells): void {
  const kept = cells();
  const all = tableOf(
    parties,
    (row, state, party) => (asked.includes(party) ? walked : kept)[row]?.[state]?.[party],
  );
  const isState = (key: string): boolean => states.some((state) => state === key);
  const text = JSON.stringify(
    all,
    (key, value) =>
      isState(key)
        ? Object.fromEntries(Object.entries(grouped(value)).map(([answer, by]) => [answer, by.join(', ')]))
        : value,
    2,
  );
  writeFileSync(file, `${text}\n`);
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
