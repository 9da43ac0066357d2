import fc from 'fast-check';
import { expect, it } from 'vitest';
import { TextTail } from '../../../src/protocol/sessions/text-tail.ts';

it('is the whole lines at the end of all pieces', () => {
  const line = fc.oneof(fc.string({ maxLength: 3 }), fc.string({ minLength: 20, maxLength: 60 }));
  const piece = fc.array(line, { minLength: 1, maxLength: 4 }).map((lines) => `${lines.join('\n')}\n`);
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      const tail = new TextTail(100);
      let all = '';
      for (const one of pieces) {
        tail.push(one);
        all += one;
        const end = all.slice(-100);
        const found = tail.text();
        expect(all.endsWith(found)).toBe(true);
        expect(found.length).toBeLessThanOrEqual(100);
        if (all.length <= 100) expect(found).toBe(all);
        else expect(found.length).toBeGreaterThanOrEqual(end.length - end.indexOf('\n') - 1);
        expect(['', '\n']).toContain(all.slice(0, all.length - found.length).slice(-1));
      }
    }),
  );
});

it('costs a piece its own length: a million of them do not copy the end a million times', () => {
  const tail = new TextTail(256 * 1024);
  const began = process.cpuUsage();
  for (let n = 0; n < 1_000_000; n += 1) tail.push('line\n');
  const { user, system } = process.cpuUsage(began);
  expect(tail.text()).toMatch(/^(?:line\n){52428}$/);
  // Copied each time, it would be 256 GB.
  expect((user + system) / 1e6).toBeLessThan(5);
});
