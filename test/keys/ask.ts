import { type Case, caseOf } from './bundles.ts';
import { askConsumer, type consumers } from './consumers.ts';
import { askController } from './controller.ts';
import { askers, askOnline } from './network.ts';
import {
  type Answer,
  type Cells,
  type Party,
  parties,
  type Row,
  rowOf,
  rows,
  type State,
  states,
} from './table.ts';
import { askWorker } from './worker.ts';

/** Parties that are asked over sockets. */
export const online: readonly Party[] = ['fetch', 'on', 'verify --online'];

async function ask(
  party: Party,
  row: Row,
  state: State,
  given: Case | undefined,
): Promise<Answer | undefined> {
  if (party === 'controller') return askController(row, state);
  if (given === undefined) return undefined;
  if (party === 'worker') return askWorker(row, given);
  const answer =
    party in askers
      ? await askOnline(party as keyof typeof askers, given)
      : await askConsumer(party as keyof typeof consumers, given);
  return row.document === 'revocation' ? countedOf(answer) : answer;
}

/** A revocation of the artifact counts where its bundle is refused for it. */
function countedOf(answer: Answer): Answer {
  if (answer === 'accepted') return 'does not count';
  return answer === 'ARTIFACT_REVOKED' || answer === 'STORE_UNPROVEN' ? 'accepted' : answer;
}

/** Answers of these parties to each document in each state. Each is really signed, and each party really asked. */
export async function walk(asked: readonly Party[], of: readonly Row[] = rows): Promise<Cells> {
  const cells: Record<string, Cells[string]> = {};
  for (const row of of) {
    const inRow: Partial<Record<State, Partial<Record<Party, Answer>>>> = {};
    for (const state of states) {
      const given = await caseOf(row, state);
      const takers = parties.filter((party) => asked.includes(party) && row.takenBy.includes(party));
      const answers = await Promise.all(
        takers.map(async (party) => [party, await ask(party, row, state, given)] as const),
      );
      const known = answers.filter(([, answer]) => answer !== undefined);
      if (known.length > 0) inRow[state] = Object.fromEntries(known);
    }
    cells[rowOf(row)] = inRow;
  }
  return cells;
}
