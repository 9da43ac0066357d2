import { expect, it } from 'vitest';
import { chaos } from './faults/chaos.ts';

it('a project of real processes comes through the first faults of a seed, and nothing is left over', async () => {
  const said: string[] = [];
  const { signal } = new AbortController();
  const { findings } = await chaos({ seed: 1, faults: 5, say: (line) => said.push(line), signal });
  expect(findings, said.join('\n')).toEqual([]);
  expect(said).toHaveLength(5);
});
