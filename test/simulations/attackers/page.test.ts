import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { figuresOfPage, page, pageOf, pictures, storedTables } from '../../../simulations/attackers/page.ts';
import { csvOf, tableFrom } from '../../../simulations/report/csv.ts';
import { commandOf } from '../../../simulations/report/figure.ts';

const root = join(import.meta.dirname, '../../..');
const command = commandOf('attackers', 1);

describe('the page about karma', () => {
  const text = readFileSync(join(root, page), 'utf8');

  it('has the numbers of its figures', () => {
    expect(text).toBe(pageOf(storedTables(join(root, pictures)), command));
    // A number that is not there would be one of these.
    expect(text).not.toMatch(/NaN|Infinity|undefined/);
  });

  it('shows each of its figures, which name the command', () => {
    for (const name of figuresOfPage) {
      expect(text).toContain(`(images/attackers/${name}.svg)`);
      for (const ending of ['csv', 'svg'])
        expect(readFileSync(join(root, pictures, `${name}.${ending}`), 'utf8')).toContain(command);
    }
  });

  it('is short', () => {
    const words = text.replace(/!?\[[^\]]*\]\([^)]*\)/g, '').match(/[\p{L}\p{N}]+[^\s|]*/gu) ?? [];
    expect(words.length).toBeLessThanOrEqual(900);
  });
});

describe('a table that was written', () => {
  it('is read again', () => {
    const table = {
      columns: ['policy', 'share'],
      rows: [
        ['2 of 3, "all"', '0.1'],
        ['', ''],
      ],
    };
    expect(tableFrom(csvOf(table, command))).toEqual(table);
  });
});
