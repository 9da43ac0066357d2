import fc from 'fast-check';
import { expect, it } from 'vitest';
import { NameIndex } from '../../../src/controller/machine/run-index.ts';

const short = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 4 });

it('finds what a scan of all names finds, in whatever order they came', () => {
  fc.assert(
    fc.property(fc.array(short, { maxLength: 40 }), short, (names, which) => {
      const index = new NameIndex();
      for (const [at, name] of names.entries()) index.add(name, at);
      const scanned = names.flatMap((name, at) => (name.startsWith(which) ? [at] : []));
      expect([...index.beginning(which)].sort((a, b) => a - b)).toEqual(scanned);
      expect(index.size).toBe(names.length);
    }),
  );
});
