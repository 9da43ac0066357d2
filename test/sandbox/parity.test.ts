import { expect, it } from 'vitest';
import { tiers } from '../../sandbox/index.ts';
import { differences } from './differences.ts';
import { parityTable } from './parity.ts';

it('the table has a column for each tier that is offered, and a row for each difference', () => {
  const rows = parityTable().split('\n');
  expect(rows[0]).toMatch(/`gvisor` \| `namespace`/);
  expect(tiers.filter((tier) => rows[0]?.includes(`\`${tier}\``)).length).toBeGreaterThanOrEqual(2);
  expect(rows).toHaveLength(differences.length + 2);
  expect(rows.filter((row) => row.includes('|  |'))).toEqual([]);
});
