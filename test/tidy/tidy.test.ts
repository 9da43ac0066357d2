import { describe, expect, it } from 'vitest';
import { rules } from './house/rules.ts';
import { houseFiles } from './house/source.ts';

const files = houseFiles();

describe('the house is tidy', () => {
  it('has files to look at', () => expect(files.length).toBeGreaterThan(20));

  it.each(Object.entries(rules))('%s', (_, rule) => {
    const found = rule(files).map(({ path, line, message }) => `${path}:${line} ${message}`);
    expect(found).toEqual([]);
  });
});
