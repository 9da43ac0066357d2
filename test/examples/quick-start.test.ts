import { expect, it } from 'vitest';
import { typed } from './typed.ts';

it('the quick start of the README works as it is written', async () => {
  const { said } = await typed('README.md', 'quick-start', { ports: ['9418', '4710'], seconds: 280 });
  expect(said).toMatch(/agreed bafybei\w+ by \w+, \w+, \w+\n/);
  expect(said).toMatch(/co-signed 12D3Koo/);
  expect(said).toContain('hello, world\n');
});
