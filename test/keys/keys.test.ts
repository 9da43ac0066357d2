import { expect, it } from 'vitest';
import { online, walk } from './ask.ts';
import { cells, cellsOf, writeCells } from './cells.ts';
import { parties, rowOf, rows } from './table.ts';

const asked = parties.filter((party) => !online.includes(party));

// KEYS=write npx vitest run test/keys, then read the difference.
it('every party answers as the table says, to every document that a key can sign in every state', {
  timeout: 300_000,
}, async () => {
  const walked = await walk(asked);
  if (process.env.KEYS === 'write') writeCells(asked, walked);
  expect(walked).toEqual(cellsOf(asked));
});

it('the table has an answer of everybody who takes a document, of a key in force', () => {
  for (const row of rows)
    expect(Object.keys(cells()[rowOf(row)]?.['in force'] ?? {}), rowOf(row)).toEqual(
      parties.filter((party) => row.takenBy.includes(party)),
    );
});
