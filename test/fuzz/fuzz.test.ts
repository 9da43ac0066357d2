import { afterEach, describe, expect, it } from 'vitest';
import { check } from './check.ts';
import { targets } from './targets/index.ts';

/** Of each target so many inputs, or so long: `npm run fuzz` is for more. */
const inputsMax = 300;
const msMax = 150;
const seed = 20_260_101;

let close: (() => Promise<void>) | undefined;
afterEach(async () => {
  await close?.();
  close = undefined;
});

describe('whatever a stranger sends is taken or refused with a code, in bounded time', () => {
  it.each(targets.map((target) => [target.name, target] as const))('%s', async (_, target) => {
    close = target.close?.bind(target);
    const { finding, outcomes, inputs } = await check(target, { seed, msMax, inputsMax });
    expect(finding).toBeUndefined();
    expect(inputs).toBeGreaterThan(0);
    expect(outcomes.taken).toBeGreaterThan(0);
  });
});
