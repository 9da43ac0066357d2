import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import fc from 'fast-check';
import { CompactSign, compactVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import { holdsCompact, signCompact } from '../../src/identity/compact-jws.ts';

const seed = Buffer.alloc(32, 5);
const key = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]),
  format: 'der',
  type: 'pkcs8',
});
const publicKey = createPublicKey(key);

const joseHolds = (compact: string) =>
  compactVerify(compact, publicKey, { algorithms: ['Ed25519'] }).then(
    () => true,
    () => false,
  );
const url = (text: string) => Buffer.from(text).toString('base64url');
/** Signed as it stands, whatever its header says. */
const signedAs = (header: string, payload = url('{}')): string =>
  `${header}.${payload}.${sign(null, Buffer.from(`${header}.${payload}`), key).toString('base64url')}`;

describe('a compact JWS', () => {
  it('is the one that jose makes, and holds here and there', async () => {
    const parts = fc.tuple(fc.uint8Array({ maxLength: 200 }), fc.string());
    await fc.assert(
      fc.asyncProperty(parts, async ([payload, typ]) => {
        const header = { alg: 'Ed25519', kid: 'ada', typ };
        const made = signCompact(header, payload, key);
        expect(made).toBe(await new CompactSign(payload).setProtectedHeader(header).sign(key));
        expect(holdsCompact(made, publicKey)).toBe(true);
        expect(await joseHolds(made)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  const header = url('{"alg":"Ed25519"}');
  const good = signedAs(header);
  const [, payload = '', signature = ''] = good.split('.');
  it.each([
    ['another algorithm', signedAs(url('{"alg":"EdDSA"}'))],
    ['no algorithm', signedAs(url('{"typ":"x"}'))],
    ['algorithm none', signedAs(url('{"alg":"none"}'))],
    ['a list of algorithms', signedAs(url('{"alg":["Ed25519"]}'))],
    ['an algorithm of the prototype', signedAs(url('{"__proto__":{"alg":"Ed25519"}}'))],
    ['the algorithm twice, the last another', signedAs(url('{"alg":"Ed25519","alg":"none"}'))],
    ['an extension it has to know', signedAs(url('{"alg":"Ed25519","crit":["exp"],"exp":1}'))],
    ['a header that is no object', signedAs(url('"Ed25519"'))],
    ['a header of null', signedAs(url('null'))],
    ['a header that is a list', signedAs(url('[]'))],
    ['a header that is not JSON', signedAs(url('{"alg":"Ed25519"'))],
    ['a header that is not UTF-8', signedAs(Buffer.from('7b22616c67ff', 'hex').toString('base64url'))],
    ['no header', signedAs('')],
    ['a payload that is not base64url', signedAs(header, '{}')],
    ['an empty signature', `${header}.${payload}.`],
    [
      'a byte less',
      `${header}.${payload}.${Buffer.from(signature, 'base64url').subarray(1).toString('base64url')}`,
    ],
    ['four parts', `${good}.`],
    ['two parts', `${header}.${payload}`],
    ['the signature of another payload', `${header}.${url('{ }')}.${signature}`],
  ])('with %s is refused here, and by jose', async (_what, compact) => {
    expect(holdsCompact(compact, publicKey)).toBe(false);
    expect(await joseHolds(compact)).toBe(false);
  });

  it('with an extension that jose knows is refused here too', async () => {
    const compact = signedAs(url('{"alg":"Ed25519","crit":["b64"],"b64":false}'), '{}');
    expect(holdsCompact(compact, publicKey)).toBe(false);
    expect(await joseHolds(compact)).toBe(true);
  });

  it('holds here in one spelling only', async () => {
    for (const spelling of [`${good}=`, `${good}\n`, good.replaceAll('-', '+').replaceAll('_', '/')])
      if (spelling !== good) expect(holdsCompact(spelling, publicKey)).toBe(false);
    // A spare bit of the last character.
    const last = good.at(-1) ?? '';
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const twin = alphabet[alphabet.indexOf(last) ^ 1] ?? '';
    expect(holdsCompact(good.slice(0, -1) + twin, publicKey)).toBe(false);
  });

  it('is taken nowhere where jose refuses it, whatever is changed', async () => {
    const change = fc.record({
      at: fc.nat(good.length),
      cut: fc.nat(2),
      put: fc.constantFrom('', '.', '=', 'A', '_', '+', ' ', '"', '\u0000', 'é'),
    });
    await fc.assert(
      fc.asyncProperty(change, async ({ at, cut, put }) => {
        const changed = good.slice(0, at) + put + good.slice(at + cut);
        if (holdsCompact(changed, publicKey)) expect(await joseHolds(changed)).toBe(true);
        if (changed !== good) expect(holdsCompact(changed, publicKey)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});
