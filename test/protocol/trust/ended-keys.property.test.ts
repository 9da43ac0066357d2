import fc from 'fast-check';
import { expect, it } from 'vitest';
import { standIn } from '../../../simulations/keys.ts';
import { type Revocation, signMessage, type Verified } from '../../../src/protocol/documents/index.ts';
import { RevocationBook } from '../../../src/protocol/sessions/revocation-book.ts';
import { revocationAt, revokedBy, revokedUnder } from '../../../src/protocol/trust/revocations.ts';
import { at, makeCharter } from '../../support/documents.ts';

const root = standIn.signer('root');
const idps = ['one', 'two'].map((name) => standIn.signer(`idp ${name}`));
const project = root.id;
const payload = { ...makeCharter(), iss: project, project, idps: idps.map(({ id }) => id) };
const charter = await signMessage('charter', payload, root);

const sign = (by: typeof root, over: Partial<Revocation>): Promise<Verified<Revocation>> =>
  signMessage(
    'revocation',
    { iss: by.id, project, what: { kind: 'operator', id: 'ada' }, since: 0, reason: 'no', iat: at, ...over },
    by,
  );

const targets = ['ada', 'ben', 'cy'];
/** Each key revokes each operator, from two leaves on. */
const ofIdps = await Promise.all(
  idps.flatMap((by) =>
    targets.flatMap((id) => [3, 7].map((since) => sign(by, { what: { kind: 'operator', id }, since }))),
  ),
);
const ids = ofIdps.map(({ id }) => id);

interface End {
  key: number;
  since: number;
  keeps: string[];
}
const ends: fc.Arbitrary<End> = fc.record({
  key: fc.nat(1),
  since: fc.nat(9),
  keeps: fc.subarray(ids),
});
const signEnd = ({ key, since, keeps }: End) =>
  sign(root, {
    what: { kind: 'key', id: idps[key]?.id ?? '' },
    since,
    ...(keeps.length > 0 && { v: 2, keeps }),
  });

/** A selection of documents in two orders, the second with some of them twice. */
const learned = fc.tuple(fc.subarray(ofIdps), fc.array(ends, { maxLength: 3 })).chain(([some, made]) =>
  fc.constant({ some, made }).chain((all) =>
    fc.record({
      some: fc.constant(all.some),
      made: fc.constant(all.made),
      first: fc.shuffledSubarray([...Array(all.some.length + all.made.length).keys()], {
        minLength: all.some.length + all.made.length,
      }),
      second: fc
        .array(fc.nat(Math.max(0, all.some.length + all.made.length - 1)), { maxLength: 4 })
        .chain((twice) =>
          fc.shuffledSubarray(
            [...Array(all.some.length + all.made.length).keys(), ...twice].filter(
              (n) => n < all.some.length + all.made.length,
            ),
            { minLength: all.some.length + all.made.length },
          ),
        ),
    }),
  ),
);

const says = (all: ReturnType<typeof revokedUnder>) =>
  all
    .map(({ document }) => document?.id)
    .sort()
    .filter((id, n, sorted) => id !== sorted[n - 1]);

async function documentsOf({ some, made }: { some: Verified<Revocation>[]; made: End[] }) {
  return [...some, ...(await Promise.all(made.map(signEnd)))];
}

it('the revocations that count do not depend on the order in which they are known, nor on how often', async () => {
  await fc.assert(
    fc.asyncProperty(learned, async ({ some, made, first, second }) => {
      const all = (await documentsOf({ some, made })).map(revokedBy);
      const complete = [...new Set([...second, ...first])];
      const [a, b] = [first, complete].map((order) =>
        revokedUnder(
          order.flatMap((n) => all[n] ?? []),
          payload,
        ),
      );
      expect(says(b ?? [])).toEqual(says(a ?? []));
      for (const id of targets)
        for (const index of [0, 3, 7, 9]) {
          const what = { kind: 'operator', id } as const;
          expect(revocationAt(b ?? [], what, index)).toEqual(revocationAt(a ?? [], what, index));
        }
      // Another end of a key keeps less, or the same.
      for (const { document } of a ?? []) {
        const end = made.filter(({ key }) => idps[key]?.id === document?.signer);
        expect(end.every(({ keeps }) => keeps.includes(document?.id ?? ''))).toBe(true);
      }
    }),
    { numRuns: 200 },
  );
});

it('and a book that learns them one by one, in any order, comes to the same as one that learns all at once', async () => {
  await fc.assert(
    fc.asyncProperty(learned, async ({ some, made, first }) => {
      const all = await documentsOf({ some, made });
      const open = () => RevocationBook.open(project, standIn.verifier);
      const [slow, quick] = [await open(), await open()];
      for (const n of first) await slow.learn({ charters: [charter.raw], revocations: [all[n]?.raw ?? ''] });
      await quick.learn({ charters: [charter.raw], revocations: all.map(({ raw }) => raw) });
      const wanted = says(revokedUnder(all.map(revokedBy), payload));
      expect(says(revokedUnder(slow.revoked, payload))).toEqual(wanted);
      expect(says(revokedUnder(quick.revoked, payload))).toEqual(wanted);
      expect(slow.size).toBe(wanted.length);
    }),
    { numRuns: 100 },
  );
});
