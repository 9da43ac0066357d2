import { expect, it } from 'vitest';
import { demo } from './demo.ts';

it('the demo of a forge ends as it claims', async () => {
  const { code, out, err } = await demo('forge');
  expect(code, err).toBe(0);
  expect(JSON.parse(out.trimEnd().split('\n').at(-1) ?? '')).toEqual({
    flag: 'success',
    page: 200,
    hook: 'hello, forge',
    badge: 'trusted',
    pull: 'success',
  });
});
