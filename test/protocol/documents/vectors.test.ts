import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Controller } from '../../../src/controller/machine/machine.ts';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { fromUtf8, toUtf8 } from '../../../src/protocol/base/text.ts';
import {
  addSignature,
  checkTime,
  cosignStatement,
  decodeBundle,
  decodeJob,
  encodeBundle,
  encodeJob,
  type MessageKind,
  openMessage,
  openStatement,
  signMessage,
  signStatement,
} from '../../../src/protocol/documents/index.ts';
import { testKey } from '../../support/documents.ts';
import { differences, generate } from '../../vectors/generate.ts';
import type { Vector } from '../../vectors/vector.ts';

const folder = join(import.meta.dirname, '../../vectors');
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
  // Other files have tests of their own.
  (file) => file.endsWith('valid.json'),
);
const vectors: Vector[] = files.flatMap((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')));
const keys = ({ signers = [] }: Vector) => signers.map(testKey);

/** Opens a document, and gives it back as its signers would write it again. */
async function roundTrip(vector: Vector): Promise<string> {
  const { kind, raw, now } = vector;
  const [key = testKey('nobody'), ...more] = keys(vector);
  switch (kind) {
    case 'job':
      return fromUtf8(encodeJob(decodeJob(toUtf8(raw)).job).bytes);
    case 'bundle':
      return encodeBundle(decodeBundle(raw));
    case 'receipt':
      return (await signStatement(kind, (await openStatement(kind, raw, joseVerifier)).payload, key.signer))
        .raw;
    case 'verdict': {
      let again = (
        await signStatement(kind, (await openStatement(kind, raw, joseVerifier)).payload, key.signer)
      ).raw;
      for (const { id, signer } of more)
        again = addSignature(again, id, await cosignStatement(again, signer));
      return again;
    }
    default:
      return message(kind, raw, now, key);
  }
}

async function message<K extends MessageKind>(
  kind: K,
  raw: string,
  now: number | undefined,
  key: ReturnType<typeof testKey>,
) {
  const opened = await openMessage(kind, raw, joseVerifier);
  if (now !== undefined) checkTime(opened.payload, now, kind);
  expect(opened.signer).toBe(key.id);
  return (await signMessage(kind, opened.payload, key.signer)).raw;
}

describe('golden vectors', () => {
  it('are of every kind of document, and most of them invalid', () => {
    const kinds = new Set(vectors.map(({ kind }) => kind));
    expect([...kinds].sort()).toEqual([
      'ack',
      'bundle',
      'charter',
      'claim',
      'enrol',
      'grant',
      'invite',
      'job',
      'lease',
      'offer',
      'possession',
      'receipt',
      'request',
      'revocation',
      'session',
      'sign-in',
      'verdict',
    ]);
    for (const kind of kinds) {
      const of = vectors.filter((vector) => vector.kind === kind);
      expect(of.filter(({ expect: code }) => code === 'ok').length).toBeGreaterThan(0);
      expect(of.filter(({ expect: code }) => code !== 'ok').length).toBeGreaterThan(of.length / 2);
    }
  });

  it('are those the generator makes: nothing changed silently', async () => {
    const made = await generate();
    // Rules that are still being written have no journal yet.
    const journal = `journal/controller-rules-${Controller.rules}.json`;
    if (!existsSync(join(folder, journal))) made.delete(journal);
    expect(await differences(made)).toEqual([]);
  });

  describe.each([...new Set(vectors.map(({ kind }) => kind))])('%s', (kind) => {
    const of = vectors.filter((vector) => vector.kind === kind);
    it.each(of.filter(({ expect: code }) => code === 'ok').map((vector) => [vector.name, vector] as const))(
      'decodes and encodes to the same bytes: %s',
      async (_name, vector) => {
        expect(await roundTrip(vector)).toBe(vector.raw);
      },
    );
    it.each(of.filter(({ expect: code }) => code !== 'ok').map((vector) => [vector.name, vector] as const))(
      'is refused %s',
      async (_name, vector) => {
        const outcome = await roundTrip(vector).then(
          () => 'ok',
          (error: unknown) => (error instanceof QuorateError ? error.code : error),
        );
        expect(outcome).toBe(vector.expect);
      },
    );
  });
});
