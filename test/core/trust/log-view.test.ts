import fc from 'fast-check';
import { expect, it } from 'vitest';
import { leaves as leafOf } from '../../../src/core/documents/index.ts';
import { MerkleTree } from '../../../src/core/transparency/index.ts';
import { LogIndex, LogView } from '../../../src/core/trust/index.ts';

const anyId = fc.constantFrom('a'.repeat(64), 'b'.repeat(64));
const leaf = fc.oneof(
  anyId.map(leafOf.charter),
  anyId.map(leafOf.revocation),
  fc.tuple(anyId, fc.constantFrom('one', 'two'), anyId).map((parts) => leafOf.offer(...parts)),
  fc.tuple(anyId, anyId).map((parts) => leafOf.receipt(...parts)),
  fc
    .tuple(fc.constantFrom('alice', 'bob'), fc.constantFrom('worker', 'trusted-worker'), anyId)
    .map((parts) => leafOf.enrol(...parts)),
  fc.constantFrom('', 'offer', 'receipt x', 'enrol', 'verdict of somebody'),
);

it('answers as a scan of all leaves does, wherever the kept ones end and however many more are kept meanwhile', () => {
  fc.assert(
    fc.property(fc.array(leaf, { maxLength: 40 }), fc.nat(), fc.nat(), (all, cut, end) => {
      const from = cut % (all.length + 1);
      const kept = new LogIndex(all.slice(0, from));
      const size = end % (all.length + 1);
      const lines = all.slice(0, size);
      const view = new LogView(kept, from, all.slice(from)).under(size);
      for (const line of all.slice(from)) kept.append(line);

      expect(view.leaves()).toEqual(lines);
      expect(view.root()).toBe(new MerkleTree(lines).root());
      const revoked = lines.filter((line) => line.startsWith('revocation '));
      const asked: string[] = [];
      expect(view.withheld((id) => asked.push(id) > 0)).toEqual([]);
      expect(asked).toEqual(revoked.map((line) => line.slice(-64)));
      const last = revoked.at(-1)?.slice(-64);
      expect(view.withheld((id) => id !== last)).toEqual(asked.filter((id) => id === last));
      for (let n = 0; n <= size; n++) {
        const charters = new Set(lines.slice(0, n).filter((line) => line.startsWith('charter ')));
        expect(view.charterBefore(n)).toBe([...charters].at(-1));
      }
      for (const id of ['a'.repeat(64), 'b'.repeat(64)]) {
        for (const job of ['one', 'two'])
          expect(view.rounds(id, job)).toEqual(
            lines.filter((line) => line.endsWith(` job ${job} request ${id}`)),
          );
        expect(view.receipts(id)).toEqual(
          lines.filter((line) => line.startsWith('receipt ') && line.endsWith(` offer ${id}`)),
        );
      }
      for (const operator of ['alice', 'bob'])
        for (const role of ['worker', 'trusted-worker']) {
          const at = lines.findIndex((line) => line.startsWith(`enrol ${operator} ${role} `));
          expect(view.enrolment(operator, role)).toBe(at === -1 ? undefined : at);
        }
    }),
    { numRuns: 300 },
  );
});
