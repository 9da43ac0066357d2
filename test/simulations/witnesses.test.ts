import { describe, expect, it } from 'vitest';
import { buildersMute, levelsOf, mute } from './mute-witnesses.ts';

describe('a run that requires no co-signature', () => {
  it('is trusted while two of its operators are heard as witnesses', async () => {
    expect((await levelsOf(1, () => mute(2, 'says nothing'))).at(-1)).toBe('trusted');
  });

  it('is trusted also where its witnesses built nothing, and their grants were renewed since they came', async () => {
    const later = { of: 2, afterMs: 5 * 60_000, grantSeconds: 90 };
    expect((await levelsOf(1, buildersMute, later)).at(-1)).toBe('trusted');
  });

  it('is no more than agreed where one is, and every invariant holds', async () => {
    expect(new Set(await levelsOf(2, () => mute(3, 'says nothing')))).toEqual(new Set(['agreed']));
  });
});
