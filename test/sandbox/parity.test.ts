import { expect, it } from 'vitest';
import { tiers } from '../../sandbox/index.ts';
import { parityTable } from './parity.ts';

it('the table has a column for each tier that is offered, and a row for each test of the contract', () => {
  const rows = parityTable().split('\n');
  expect(rows[0]).toMatch(/`gvisor` \| `namespace`/);
  expect(tiers.filter((tier) => rows[0]?.includes(`\`${tier}\``)).length).toBeGreaterThanOrEqual(2);
  expect(rows.length).toBeGreaterThan(40);
  expect(rows.some((row) => row.startsWith('| hold processes: a fork bomb only hurts itself | yes'))).toBe(
    true,
  );
});
