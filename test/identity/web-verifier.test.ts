import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { withoutSmallOrder } from '../../src/identity/small-order.ts';
import { plainVerifier } from '../../src/identity/verifier.ts';
import { openWebVerifier } from '../../src/identity/web-verifier.ts';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import {
  decodeBundle,
  openMessage,
  openStatement,
  peerIdOf,
  type Verifier,
} from '../../src/protocol/documents/index.ts';
import { verifyBundle } from '../../src/protocol/trust/index.ts';
import { project, testKey } from '../support/project.ts';
import type { Vector } from '../vectors/vector.ts';

const folder = join(import.meta.dirname, '../vectors');
const vectors: Vector[] = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('valid.json'))
  .flatMap((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')));

let web: Verifier;
beforeAll(async () => {
  web = await openWebVerifier();
});

/** The outcome of opening a document under a verifier. */
async function outcome({ kind, raw }: Vector, verifier: Verifier): Promise<string> {
  try {
    if (kind === 'job') return 'not signed';
    if (kind === 'bundle')
      return JSON.stringify(await verifyBundle(decodeBundle(raw), { project }, verifier));
    const opened =
      kind === 'receipt' || kind === 'verdict'
        ? await openStatement(kind, raw, verifier)
        : await openMessage(kind, raw, verifier);
    return opened.id;
  } catch (error) {
    if (error instanceof QuorateError) return error.code;
    throw error;
  }
}

const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'));

describe('a signature that Node 22 and Chromium take, and OpenSSL 3.5 does not', () => {
  const anything: Verifier = { jws: async () => true, raw: async () => true };
  const all = async () => [plainVerifier, web, withoutSmallOrder(anything)];
  const ofKey = '17ffad8068dc0de9935d36636f3ad1b5de6de3413b12388e453b05f2a4c1d3db';
  const order8 = '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05';

  it.each([
    [
      'with a first half of small order, by any key',
      ofKey,
      `01${'00'.repeat(31)}c482644a809306ab203aafce015773de91e00ec6f8d968ac2aacbe5c12bda407`,
      'm0',
    ],
    [
      'by a key of small order, which has no owner',
      order8,
      `1d84c09c915b1e355f4130b3950f6754270b37696f36f1b6ca5d4a9b4cf488600903${'00'.repeat(30)}`,
      'm1',
    ],
    ['by such a key in another encoding', `ee${'ff'.repeat(31)}`, '11'.repeat(64), 'm'],
  ])('%s is refused by all', async (_, key, signature, message) => {
    const bytes = new TextEncoder().encode(message);
    for (const verifier of await all())
      expect(await verifier.raw(bytes, hex(signature), peerIdOf(hex(key)))).toBe(false);
  });

  it('is refused under a compact JWS too', async () => {
    const compact =
      'eyJhbGciOiJFZDI1NTE5In0.e30.AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACUTS12IXj-_JUBxuUqjpl1-ZJsFQY8UuRB6P3Ha2j6Cw';
    for (const verifier of await all()) expect(await verifier.jws(compact, peerIdOf(hex(ofKey)))).toBe(false);
  });
});

describe('the verifier of a browser', () => {
  it('opens and refuses every vector as the one of Node does', async () => {
    const faults: string[] = [];
    for (const vector of vectors) {
      const [here, there] = [await outcome(vector, web), await outcome(vector, plainVerifier)];
      if (here !== there) faults.push(`${vector.kind} ${vector.name}: ${here}, and in Node ${there}`);
    }
    expect(vectors.length).toBeGreaterThan(200);
    expect(faults).toEqual([]);
  });

  it('refuses a signature of another key, of other bytes, and one that is not reduced', async () => {
    const key = testKey('ada');
    const message = new TextEncoder().encode('a message');
    const signature = await key.signer.raw(message);
    expect(await web.raw(message, signature, key.id)).toBe(true);
    expect(await web.raw(message, signature, testKey('bob').id)).toBe(false);
    expect(await web.raw(message.slice(1), signature, key.id)).toBe(false);
    expect(await web.raw(message, plusOrder(signature), key.id)).toBe(false);
    expect(await plainVerifier.raw(message, plusOrder(signature), key.id)).toBe(false);
  });

  it('refuses a PeerId that is no Ed25519 key', async () => {
    const bytes = new Uint8Array(64);
    await expect(web.raw(bytes, bytes, 'QmNothing')).rejects.toMatchObject({ code: 'KEY_INVALID' });
    expect(peerIdOf(new Uint8Array(32))).toMatch(/^12D3KooW/);
  });
});

/** The same signature with the order of the group added to its scalar (RFC 8032, 5.1.7 wants it below). */
function plusOrder(signature: Uint8Array): Uint8Array {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const changed = Uint8Array.from(signature);
  let scalar =
    [...signature.slice(32)].reverse().reduce((sum, byte) => sum * 256n + BigInt(byte), 0n) + order;
  for (let at = 32; at < 64; at += 1) {
    changed[at] = Number(scalar % 256n);
    scalar /= 256n;
  }
  return changed;
}
