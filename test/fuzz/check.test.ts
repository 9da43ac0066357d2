import fc from 'fast-check';
import { expect, it } from 'vitest';
import { check } from './check.ts';
import { define } from './target.ts';

it('ends when the input has been looked at that was being looked at as the time was over', async () => {
  const begun = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  let [running, isOver] = [0, false];
  const target = define<string>({
    name: 'one that waits',
    seeds: async () => ['seed'],
    arbitrary: () => fc.string(),
    async run(input) {
      if (input === 'seed') return;
      running++;
      begun.resolve();
      await end.promise;
      running--;
    },
  });
  const checked = check(target, { seed: 1, msMax: 50 }).finally(() => {
    isOver = true;
  });
  await begun.promise;
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect([isOver, running]).toEqual([false, 1]);
  end.resolve();
  await checked;
  expect(running).toBe(0);
});
