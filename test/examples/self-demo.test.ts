import { expect, it } from 'vitest';
import { demo } from './demo.ts';

it('this repository builds and tests itself on its own packages', async () => {
  const { code, out, err } = await demo('self');
  expect(code, err).toBe(0);
  const said = JSON.parse(out.trimEnd().split('\n').at(-1) ?? '');
  expect(said).toMatchObject({ level: 'trusted', test: 'trusted' });
  expect(said.files).toBeGreaterThan(300);
}, 1_500_000);
