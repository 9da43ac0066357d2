import { expect, it } from 'vitest';
import type { z } from 'zod';
import { QuorateError } from '../../src/protocol/base/errors.ts';

/** Whether so many items, characters, seconds or bytes are taken, and the most that are. */
export type Bound = [what: string, takes: (n: number) => boolean, most: number];

export const by =
  (schema: z.ZodType, of: (n: number) => unknown) =>
  (n: number): boolean =>
    schema.safeParse(of(n)).success;

/** Whether it is not refused with one of these codes, or such a message. */
export const unless =
  (codes: readonly string[] | RegExp, act: (n: number) => unknown) =>
  (n: number): boolean => {
    try {
      act(n);
      return true;
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error;
      return !(codes instanceof RegExp ? codes.test(error.message) : codes.includes(error.code));
    }
  };

export const text = (n: number): string => 'a'.repeat(n);
export const list = <Item>(n: number, item: Item | ((index: number) => Item)): Item[] =>
  Array.from({ length: n }, (_, index) => (item instanceof Function ? item(index) : item));
/** In order, each once. */
export const numbered = (n: number): string[] => list(n, (index) => `n${String(index).padStart(6, '0')}`);

/** One more than the most is refused. */
export const holds = (bounds: readonly Bound[]): void =>
  it.each(bounds)('%s', (_what, takes, most) => {
    expect([takes(most), takes(most + 1)]).toEqual([true, false]);
  });
