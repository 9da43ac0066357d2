import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { toUtf8 } from '../../../src/protocol/base/text.ts';
import { documentVersions } from '../../../src/protocol/documents/index.ts';
import { checkKind } from '../../../src/protocol/wire/bounds.ts';
import { wireLimits } from '../../../src/protocol/wire/limits.ts';
import { decodeMessage, encodeMessage } from '../../../src/protocol/wire/messages.ts';
import {
  behindText,
  canRead,
  ownBehindText,
  ownVersion,
  unreadBy,
} from '../../../src/protocol/wire/peer-version.ts';

describe('a message', () => {
  const schema = z.strictObject({ a: z.unknown() });
  const decoded = (text: string) => {
    try {
      return decodeMessage(toUtf8(text), schema, 'it');
    } catch (error) {
      const { code, message } = error as { code: string; message: string };
      return `${code}: ${message}`;
    }
  };
  const nested = (levels: number) => `{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`;

  it.each([
    ['{"a":1}', { a: 1 }],
    ['{"a"', 'WIRE_INVALID: it is not JSON'],
    ['{"a":1,"b":1}', 'WIRE_INVALID: it is not valid at its root: Unrecognized key: "b"'],
    [nested(wireLimits.jsonDepthMax - 1), { a: expect.anything() }],
    [nested(wireLimits.jsonDepthMax), `WIRE_INVALID: it is nested deeper than ${wireLimits.jsonDepthMax}`],
  ])('%s is read, or refused', (text, expected) => expect(decoded(text)).toEqual(expected));

  it('is refused at a place that is named', () => {
    expect(() =>
      decodeMessage(encodeMessage({ a: { b: 1 } }), z.object({ a: z.object({ b: z.string() }) }), 'it'),
    ).toThrow(/^it is not valid at a\.b: /);
  });

  it('of a kind that the table does not have is a mistake of ours', () => {
    expect(() => checkKind('feed', { sender: 'member' }, { kind: 'nonsense', bytes: 1 })).toThrow(
      /a line in the table/,
    );
  });
});

describe('the version of a node', () => {
  const own = ownVersion('1.0.0');
  it('names the kinds of documents that have a second version', () => {
    const newer = Object.entries(documentVersions).filter(([, version]) => version > 1);
    expect(own).toEqual({ program: '1.0.0', reads: Object.fromEntries(newer) });
    expect(newer.length).toBeGreaterThan(0);
  });

  it('says what it reads', () => {
    expect(canRead(own, documentVersions)).toBe(true);
    expect(canRead(null, {})).toBe(false);
    const older = { program: '0.9.0', reads: {} };
    expect(canRead(older, documentVersions)).toBe(false);
    expect(canRead(older, { job: 1 })).toBe(true);
    expect(unreadBy(older, { job: 2, offer: 1 })).toEqual([{ kind: 'job', version: 2, reads: 1 }]);
    expect([behindText(own), behindText(older), behindText(own, '1.0.1'), behindText(null)]).toEqual([
      undefined,
      expect.stringMatching(/^is 0\.9\.0 and cannot read revocation of version/),
      expect.stringMatching(/^is 1\.0\.0, and the project takes 1\.0\.1 or later/),
      expect.stringMatching(/^states no version/),
    ]);
  });

  it('says what it cannot read of a later one', () => {
    const later = { program: '9.0.0', reads: { job: documentVersions.job + 1, tomorrow: 2, offer: 1 } };
    expect(ownBehindText(own)).toBeUndefined();
    expect(ownBehindText(later)).toContain(
      'job of version 2 (1 at most), tomorrow of version 2 (1 at most): update',
    );
  });
});
