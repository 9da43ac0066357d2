import { expect, it } from 'vitest';
import { online, walk } from './ask.ts';
import { cellsOf, writeCells } from './cells.ts';
import { rowOf, rows } from './table.ts';

const asked = rows.filter(({ takenBy }) => online.some((party) => takenBy.includes(party)));

it('everybody who asks others over sockets answers as the table says', { timeout: 900_000 }, async () => {
  // Two documents at a time.
  const halves = [0, 1].map((half) => asked.filter((_, n) => n % 2 === half));
  const walked = Object.assign({}, ...(await Promise.all(halves.map((half) => walk(online, half)))));
  if (process.env.KEYS === 'write') writeCells(online, walked);
  const expected = cellsOf(online);
  for (const row of asked.map(rowOf)) expect(walked[row], row).toEqual(expected[row]);
});
