import { describe, expect, it } from 'vitest';
import type { NodeKey } from '../../../src/identity/keys.ts';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { codeOf } from '../../../src/protocol/base/errors.ts';
import { encodeBundle, leaves, type Revocation, signMessage } from '../../../src/protocol/documents/index.ts';
import { RevocationBook } from '../../../src/protocol/sessions/revocation-book.ts';
import { at, idp, makeCharter, makeProject, project, root, testKey } from '../../support/project.ts';
import { answersOf, EvidenceDesk } from '../../watcher/sessions/evidence-desk.ts';
import { answerOf } from './withheld.ts';

/** A key that wrote the log, and was replaced since. */
const stolen = { kind: 'key', id: testKey('log of before').id } as const;
const random = 'ab'.repeat(32);
const charter = await signMessage('charter', makeCharter(), root.signer);

const sign = (key: NodeKey, over: Partial<Revocation> = {}) =>
  signMessage(
    'revocation',
    { iss: key.id, project, what: stolen, since: 99, reason: 'stolen', iat: at, ...over },
    key.signer,
  );
const open = () => RevocationBook.open(project, joseVerifier);

describe('a thief of the log key that wrote a leaf of a revocation that nobody signed', () => {
  /** Answers of a trusted worker and a watcher for a log with these leaves, where they are told this. */
  async function attack(junk: string[], told: string[]) {
    const logged = await makeProject({ log: (all) => [...all, ...junk] });
    const { raw: end } = await sign(root);
    const all = [end, ...told];
    const desk = new EvidenceDesk({
      ...answersOf(logged),
      told: { charters: [charter.raw], revocations: all },
    });
    const watched = await desk.verifier.learn(desk.source).then(() => 'OK', codeOf);
    return [await answerOf(logged, encodeBundle(logged.draft), { all }), watched];
  }
  const voids = (over: Partial<Revocation> = {}) => sign(root, { v: 3, voidLeaves: [random], ...over });

  it('stops nobody once the root says that there is none', async () => {
    const junk = [leaves.revocation(random)];
    expect(await attack(junk, [(await voids()).raw])).toEqual(['OK', 'OK']);
    // Control: the end of the key alone, and the word of the identity provider.
    expect(await attack(junk, [])).toEqual(['REVOCATION_WITHHELD', 'REVOCATION_WITHHELD']);
    const byIdp = await sign(idp, { v: 3, voidLeaves: [random] });
    expect(await attack(junk, [byIdp.raw])).toEqual(['REVOCATION_WITHHELD', 'REVOCATION_WITHHELD']);
  });

  it('stops nobody with a leaf that names no document at all', async () => {
    const junk = ['revocation of everything', `revocation ${random} and more`, `revocation ${random}0`];
    expect(await attack(junk, [])).toEqual(['OK', 'OK']);
  });

  it('leaves the others to be shown', async () => {
    const junk = [leaves.revocation(random), leaves.revocation('cd'.repeat(32))];
    const { raw } = await voids();
    expect(await attack(junk, [raw])).toEqual(['REVOCATION_WITHHELD', 'REVOCATION_WITHHELD']);
  });

  it('takes back nothing: a revocation that is shown counts, in whatever order', async () => {
    const real = await sign(idp, { what: { kind: 'operator', id: 'ada' } });
    const statement = await voids({ voidLeaves: [real.id] });
    for (const revocations of [
      [real.raw, statement.raw],
      [statement.raw, real.raw],
    ]) {
      const book = await open();
      for (const raw of revocations) await book.learn({ charters: [charter.raw], revocations: [raw] });
      expect(book.revoked.map(({ what }) => what.kind).sort()).toEqual(['key', 'operator']);
    }
  });

  it('by the key that signs revocations of members cannot void a leaf', async () => {
    const book = await open();
    const { raw } = await sign(idp, { v: 3, voidLeaves: [random] });
    const { refused } = await book.learn({ charters: [charter.raw], revocations: [raw] });
    expect([refused.map(({ code }) => code), book.has(random)]).toEqual([['REVOCATION_NEEDS_ROOT'], false]);
  });
});
