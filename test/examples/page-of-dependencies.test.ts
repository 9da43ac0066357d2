import { expect, it } from 'vitest';
import { typed } from './typed.ts';

it("the commands of docs/dependencies.md bring somebody else's project to `trusted`, as they are written", async () => {
  const { said } = await typed('docs/dependencies.md', 'walk', { ports: ['9419', '4711'], seconds: 580 });
  expect(said).toMatch(/\d+ dependencies/);
  expect(said).toMatch(/test\b.*trusted/);
  expect(said).toMatch(/package\b.*trusted/);
  expect(said).toContain('package/index.js\n');
}, 600_000);
