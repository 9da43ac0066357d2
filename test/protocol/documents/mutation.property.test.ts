import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { openMessage, openStatement, signMessage } from '../../../src/protocol/documents/index.ts';
import { anyCharacter } from '../../support/any-character.ts';
import { idp, makeGrant, makeProject, workerKey } from '../../support/project.ts';

const code = async (run: Promise<unknown>) =>
  run.then(
    () => 'ok',
    (error: unknown) => {
      if (error instanceof QuorateError) return error.code;
      throw error;
    },
  );

const edit = fc.record({
  at: fc.nat(),
  drop: fc.nat(3),
  put: fc.string({ maxLength: 4, unit: anyCharacter }),
});
const apply = (text: string, { at, drop, put }: { at: number; drop: number; put: string }) => {
  const from = at % (text.length + 1);
  return text.slice(0, from) + put + text.slice(from + drop);
};

describe('a signed document that was touched', () => {
  it('is refused with a code, wherever it was touched: JWS', async () => {
    const grant = await signMessage('grant', makeGrant(workerKey('ada'), 'ada', 'worker'), idp.signer);
    await fc.assert(
      fc.asyncProperty(edit, async (change) => {
        const raw = apply(grant.raw, change);
        expect((await code(openMessage('grant', raw, joseVerifier))) === 'ok').toBe(raw === grant.raw);
      }),
      { numRuns: 500 },
    );
  });

  it('is refused with a code, wherever it was touched: DSSE', async () => {
    const { bundle } = await makeProject();
    await fc.assert(
      fc.asyncProperty(edit, async (change) => {
        const raw = apply(bundle.verdict, change);
        expect((await code(openStatement('verdict', raw, joseVerifier))) === 'ok').toBe(
          raw === bundle.verdict,
        );
      }),
      { numRuns: 500 },
    );
  });
});

describe('a document that is too large', () => {
  it('is refused before anything else is done with it', async () => {
    const jws = 'A'.repeat(limits.documentBytesMax + 1);
    expect(await code(openMessage('grant', jws, joseVerifier))).toBe('DOC_TOO_LARGE');
    const envelope = 'A'.repeat(limits.receiptBytesMax + 1);
    expect(await code(openStatement('receipt', envelope, joseVerifier))).toBe('DOC_TOO_LARGE');
  });
});
