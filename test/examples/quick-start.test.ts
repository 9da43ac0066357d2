import { expect, it } from 'vitest';
import { typed } from './typed.ts';

it('the quick start of the README works as it is written', async () => {
  const { said } = await typed('README.md', 'quick-start', { seconds: 280 });
  expect(said).toMatch(/agreed \(unverified\) bafybei\w+ by local-\d, local-\d, local-\d\n/);
  expect(said).toMatch(/trusted \(verified\) bafybei\w+\n/);
  expect(said).toContain('hello, world\n');
});
