import fc from 'fast-check';
import { expect, it } from 'vitest';
import { leaves as leafOf } from '../../../src/protocol/documents/index.ts';
import { MerkleTree } from '../../../src/protocol/transparency/index.ts';
import { LogIndex, LogView } from '../../../src/protocol/trust/index.ts';

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

it.each([`offer o job j request r`, `receipt r offer o`, `enrol ada worker e`])(
  'goes by leaves of the form of %s alone',
  (whole) => {
    const view = (line: string) => {
      const of = LogView.of([line]);
      return [of.rounds('r', 'j').length, of.receipts('o').length, of.enrolment('ada', 'worker')];
    };
    const found = view(whole);
    expect(found).not.toEqual([0, 0, undefined]);
    const words = whole.split(' ');
    const others = words
      .map((_, at) => words.with(at, 'x').join(' '))
      .filter((line) => line.split(' ')[0] === words[0]);
    const wrong = [
      words.slice(0, -1).join(' '),
      ...others,
      ...(words[0] === 'enrol' ? [] : [`${whole} more`]),
    ];
    // Another id of the document itself is a leaf of the same form.
    for (const line of wrong.filter(
      (one) => !/^(?:offer x job|receipt x offer|enrol ada worker x)/.test(one),
    ))
      expect(view(line)).toEqual([0, 0, undefined]);
  },
);

it('of all of its leaves is itself', () => {
  const view = LogView.of(['a', 'b']);
  expect([view.under(2) === view, view.under(3) === view, view.under(1).size]).toEqual([true, true, 1]);
});
