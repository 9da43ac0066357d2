import { describe, expect, it } from 'vitest';
import { amountSchema } from '../../../src/protocol/base/amount-schema.ts';
import { units } from '../../../src/protocol/base/units.ts';

describe('units', () => {
  it.each([
    ['1KiB', 1024],
    ['512MiB', 2 ** 29],
    ['2GiB', 2 ** 31],
    ['3TiB', 3 * 2 ** 40],
    ['2GB', undefined],
    ['2', undefined],
    ['0MiB', undefined],
    ['-1MiB', undefined],
    ['1.5GiB', undefined],
    ['1 GiB', undefined],
    ['1gib', undefined],
    ['1000000000KiB', undefined],
  ])('%s is %s bytes', (text, bytes) => expect(units.size.parse(text)).toBe(bytes));

  it.each([
    ['90s', 90],
    ['20m', 1200],
    ['2h', 7200],
    ['7d', 604_800],
    ['1w', undefined],
    ['1h30m', undefined],
    ['20', undefined],
  ])('%s is %s seconds', (text, seconds) => expect(units.time.parse(text)).toBe(seconds));

  it.each([
    ['16KiB/s', 2 ** 14],
    ['1MiB', undefined],
    ['1MiB/m', undefined],
  ])('%s is %s bytes a second', (text, bytes) => expect(units.rate.parse(text)).toBe(bytes));

  it('lie between two bounds, which are among them', () => {
    const schema = amountSchema(units.size, { min: 2048, max: 4096 });
    const said = (text: string) => schema.safeParse(text).error?.issues[0]?.message;
    expect([schema.parse('2KiB'), schema.parse('4KiB')]).toEqual([2048, 4096]);
    expect(said('1KiB')).toBe('1KiB is out of bounds: 2KiB to 4KiB');
    expect(said('5KiB')).toBe('5KiB is out of bounds: 2KiB to 4KiB');
    const least = amountSchema(units.time, { min: 2 }).safeParse('1s').error?.issues[0]?.message;
    expect(least).toBe('1s is out of bounds: expected at least 2s');
  });

  it('are told with what was given and what is accepted', () => {
    const said = (input: unknown) => amountSchema(units.size).safeParse(input).error?.issues[0]?.message;
    expect(said('4GB')).toBe('expected a size such as 512MiB or 4GiB, not "4GB"');
    expect(said(4)).toBe('expected a size such as 512MiB or 4GiB, not 4');
    expect(said(undefined)).toBe('expected a size such as 512MiB or 4GiB, not nothing');
  });
});
