import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { joseVerifier } from '../../src/identity/verifier.ts';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import { limits } from '../../src/protocol/base/limits.ts';
import { toUtf8 } from '../../src/protocol/base/text.ts';
import {
  decodeBundle,
  decodeJob,
  messageKinds,
  openMessage,
  openStatement,
} from '../../src/protocol/documents/index.ts';
import type { DocumentKind, Vector } from '../vectors/vector.ts';

const statements = ['receipt', 'verdict'] as const;
const kinds: DocumentKind[] = [...messageKinds, ...statements, 'job', 'bundle'];

async function open(kind: DocumentKind, raw: string): Promise<unknown> {
  if (kind === 'job') return decodeJob(toUtf8(raw));
  if (kind === 'bundle') return decodeBundle(raw);
  if (kind === 'receipt' || kind === 'verdict') return openStatement(kind, raw, joseVerifier);
  return openMessage(kind, raw, joseVerifier);
}

const codeOf = (kind: DocumentKind, raw: string): Promise<string> =>
  open(kind, raw).then(
    () => 'ok',
    (error: unknown) => {
      if (error instanceof QuorateError) return error.code;
      throw error;
    },
  );

/** A valid one of that kind. */
function valid(kind: DocumentKind): string {
  const file = join(import.meta.dirname, '..', 'vectors', kind, 'valid.json');
  const [first] = JSON.parse(readFileSync(file, 'utf8')) as Vector[];
  if (first === undefined) throw new Error(`there is no valid ${kind}`);
  return first.raw;
}

const bytesMax = (kind: DocumentKind): number => {
  if (kind === 'job') return limits.jobBytesMax;
  if (kind === 'bundle') return limits.bundleBytesMax;
  return kind === 'receipt' || kind === 'verdict' ? limits.receiptBytesMax : limits.documentBytesMax;
};

describe.each(kinds)('a document: %s', (kind) => {
  it('that is too large is refused by its size, before it is looked at', async () => {
    expect(await codeOf(kind, valid(kind))).toBe('ok');
    // Looked at, it would be no JSON.
    expect(await codeOf(kind, '{"'.padEnd(bytesMax(kind) + 1, '['))).toBe('DOC_TOO_LARGE');
  });

  it('cut anywhere is refused', async () => {
    const raw = valid(kind);
    for (let at = 0; at < raw.length; at += 1 + Math.floor(raw.length / 200))
      expect(await codeOf(kind, raw.slice(0, at)), `cut at ${at}`).toMatch(/^DOC_/);
  });

  it('in the place of another kind is refused', async () => {
    for (const other of kinds.filter((one) => one !== kind))
      expect(await codeOf(other, valid(kind)), `as ${other}`).toMatch(/^DOC_/);
  });
});
