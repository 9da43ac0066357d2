import { describe, expect, it } from 'vitest';
import { keyFromSeed } from '../../../src/identity/keys.ts';
import { plainVerifier } from '../../../src/identity/verifier.ts';
import {
  addSignature,
  cosignStatement,
  DocumentMemory,
  type Lease,
  openMessage,
  openStatement,
  signMessage,
  signStatement,
  type Verifier,
} from '../../../src/protocol/documents/index.ts';
import { codeOf } from '../../support/codes.ts';
import { cidOf, makeProject, testKey } from '../../support/project.ts';

/** A verifier that remembers documents, and how many signatures it was asked about. */
function counting(charsMax = 1_000_000) {
  let asked = 0;
  const verifier: Verifier = {
    jws: (...given) => {
      asked++;
      return plainVerifier.jws(...given);
    },
    raw: (...given) => {
      asked++;
      return plainVerifier.raw(...given);
    },
    opened: new DocumentMemory(charsMax),
  };
  return { verifier, asked: () => asked };
}

describe('a document that was opened before', () => {
  it('is not verified again, and is the same', async () => {
    const { bundle } = await makeProject();
    const { verifier, asked } = counting();
    const open = async () => [
      await openMessage('request', bundle.request, verifier),
      await openStatement('verdict', bundle.verdict, verifier),
    ];
    const first = await open();
    const before = asked();
    const second = await open();
    expect(asked()).toBe(before);
    expect(second).toEqual(first);
  });

  it('is another with another character, or as another kind', async () => {
    const { bundle } = await makeProject();
    const { verifier } = counting();
    await openMessage('request', bundle.request, verifier);
    await openStatement('verdict', bundle.verdict, verifier);
    const [header = '', payload = '', signature = ''] = bundle.request.split('.');
    const other = signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`;
    expect(await codeOf(openMessage('request', `${header}.${payload}.${other}`, verifier))).toBe(
      'DOC_BAD_SIGNATURE',
    );
    expect(await codeOf(openMessage('request', `${bundle.request} `, verifier))).toBe('DOC_NOT_BASE64');
    expect(await codeOf(openMessage('offer', bundle.request, verifier))).toBe('DOC_WRONG_TYPE');
    expect(await codeOf(openStatement('receipt', bundle.verdict, verifier))).toBe('DOC_INVALID');
  });

  it('with a signature more has that one verified', async () => {
    const { bundle } = await makeProject();
    const { verifier } = counting();
    await openStatement('verdict', bundle.verdict, verifier);
    const eve = testKey('eve');
    const good = await cosignStatement(bundle.verdict, eve.signer);
    const { signers } = await openStatement('verdict', addSignature(bundle.verdict, eve.id, good), verifier);
    expect(signers).toContain(eve.id);
    const forged = addSignature(bundle.verdict, testKey('mallory').id, good);
    expect(await codeOf(openStatement('verdict', forged, verifier))).toBe('DOC_BAD_SIGNATURE');
  });

  it('is verified each time where it was refused', async () => {
    const { bundle } = await makeProject();
    const { verifier, asked } = counting();
    const [header, payload] = bundle.request.split('.');
    const forged = `${header}.${payload}.${'A'.repeat(86)}`;
    for (let n = 1; n <= 3; n++) {
      expect(await codeOf(openMessage('request', forged, verifier))).toBe('DOC_BAD_SIGNATURE');
      expect(asked()).toBe(n);
    }
  });

  it('cannot be changed by whoever has it', async () => {
    const { bundle } = await makeProject();
    const { verifier } = counting();
    const opened = await openMessage('request', bundle.request, verifier);
    expect(() => Object.assign(opened.payload.policy, { agree: 1 })).toThrow(TypeError);
    expect(() => Object.assign(opened, { signer: 'mallory' })).toThrow(TypeError);
  });
});

describe('the memory of documents', () => {
  const document = (raw: string) => ({ raw });

  it('holds so many characters, and gives up first what was used last long ago', () => {
    const memory = new DocumentMemory(80);
    const texts = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((letter) => letter.repeat(10));
    for (const text of texts) memory.put('offer', text, document(text));
    expect(memory.get('offer', texts[0] ?? '')).toBeDefined();
    memory.put('offer', 'i'.repeat(10), document('i'));
    expect(memory.get('offer', texts[1] ?? '')).toBeUndefined();
    expect(texts.filter((text) => memory.get('offer', text) !== undefined)).toHaveLength(7);
  });

  it('counts a document once that is put again, and holds one with nothing in it', () => {
    const memory = new DocumentMemory(80);
    for (let n = 0; n < 20; n++) memory.put('offer', 'a'.repeat(10), { a: null, n: { n } });
    for (const letter of 'bcdefgh') memory.put('offer', letter.repeat(10), document(letter));
    expect([...'abcdefgh'].filter((letter) => memory.get('offer', letter.repeat(10)) === undefined)).toEqual(
      [],
    );
    expect(memory.get('offer', 'a'.repeat(10))).toEqual({ a: null, n: { n: 19 } });
    expect(memory.get('grant', 'a'.repeat(10))).toBeUndefined();
    expect(Object.isFrozen((memory.get('offer', 'a'.repeat(10)) as { n: object }).n)).toBe(true);
  });

  it('holds none that would take the place of most others', () => {
    const memory = new DocumentMemory(80);
    memory.put('offer', 'a'.repeat(11), document('a'));
    expect(memory.get('offer', 'a'.repeat(11))).toBeUndefined();
  });
});

describe('a document that was signed before', () => {
  const lease = (over: Partial<Lease> = {}): Lease => ({
    iss: testKey('controller').id,
    aud: testKey('ada').id,
    project: testKey('root').id,
    claim: '1'.repeat(64),
    offer: '2'.repeat(64),
    job: cidOf('job'),
    round: 1,
    operator: 'ada',
    slot: 0,
    fence: { epoch: 1, n: 1 },
    iat: 1,
    exp: 2,
    ...over,
  });

  it('is signed once by each key, and once for each payload', async () => {
    const key = testKey('controller');
    let signed = 0;
    const signer = {
      ...key.signer,
      jws: (...given: Parameters<typeof key.signer.jws>) => {
        signed++;
        return key.signer.jws(...given);
      },
      signed: new DocumentMemory(100_000),
    };
    const first = await signMessage('lease', lease(), signer);
    expect(await signMessage('lease', { ...lease() }, signer)).toBe(first);
    expect(signed).toBe(1);
    const next = await signMessage('lease', lease({ fence: { epoch: 1, n: 2 } }), signer);
    expect(next.id).not.toBe(first.id);
    expect(signed).toBe(2);
  });

  it('is signed once where it is a statement', async () => {
    const { bundle } = await makeProject();
    const key = testKey('controller');
    const { payload } = await openStatement('verdict', bundle.verdict, plainVerifier);
    const signer = { ...key.signer, signed: new DocumentMemory(1_000_000) };
    const first = await signStatement('verdict', payload, signer);
    expect(await signStatement('verdict', structuredClone(payload), signer)).toBe(first);
    const other = structuredClone(payload);
    other.predicate.quorate_verdict.ref = 'refs/heads/other';
    expect((await signStatement('verdict', other, signer)).id).not.toBe(first.id);
  });

  it('is not given out as that of another key', async () => {
    const key = keyFromSeed(new Uint8Array(32).fill(7));
    await signMessage('lease', lease({ iss: key.id }), key.signer);
    const other = keyFromSeed(new Uint8Array(32).fill(8));
    expect(await codeOf(signMessage('lease', lease({ iss: key.id }), other.signer))).toBe('DOC_WRONG_ISSUER');
  });
});
