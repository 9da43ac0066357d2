import { afterEach, describe, expect, it } from 'vitest';
import { type CheckOptions, check } from './check.ts';
import { targets } from './targets/index.ts';

/** Feeds every target but these, each in its own test. */
export function checkAll(options: CheckOptions, without: readonly string[] = []): void {
  const fed = targets.filter(({ name }) => !without.includes(name));
  let close: (() => Promise<void>) | undefined;
  afterEach(async () => {
    await close?.();
    close = undefined;
  });

  describe('each input of a stranger is taken or refused with a code, in bounded time', () => {
    it.each(fed.map((target) => [target.name, target] as const))('%s', async (_, target) => {
      close = target.close?.bind(target);
      const { finding, outcomes, inputs } = await check(target, options);
      expect(finding).toBeUndefined();
      expect(inputs).toBeGreaterThan(0);
      expect(outcomes.taken).toBeGreaterThan(0);
    });
  });
}
