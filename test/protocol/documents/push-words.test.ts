import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { withoutControl } from '../../../src/protocol/base/text.ts';
import { encodeCanonical, moreOfPush, pushWordsIn } from '../../../src/protocol/documents/index.ts';
import { runSummarySchema } from '../../../src/protocol/wire/runs.ts';
import { anyCharacter } from '../../support/any-character.ts';

describe('the words of a push in a request', () => {
  it('are read as they were written', () => {
    const words = { push: 'a'.repeat(43), subject: 'Mend the lock', author: 'Ada Lovelace' };
    expect(moreOfPush(words)).toEqual({
      push: words.push,
      commit: { subject: 'Mend the lock', author: 'Ada Lovelace' },
    });
    expect(pushWordsIn({ more: moreOfPush(words) })).toEqual(words);
    expect(moreOfPush({ push: words.push })).toEqual({ push: words.push });
    expect(moreOfPush({})).toBeUndefined();
    expect(pushWordsIn({})).toEqual({});
  });

  it.each<[string, Record<string, unknown>, object]>([
    ['of other shapes', { push: 7, commit: 'x' }, {}],
    ['in a list', { commit: [{ subject: 'a' }] }, {}],
    ['that are null', { push: null, commit: null }, {}],
    ['that are numbers', { commit: { subject: 1, author: {} } }, {}],
    ['that are blank', { push: '', commit: { subject: ' \n', author: '\u0007' } }, {}],
    ['with an id of other characters', { push: '../../etc/passwd' }, {}],
    ['with an id that is too long', { push: 'a'.repeat(65) }, {}],
    ['beside others', { else: 1, commit: { subject: 'a', more: 'b' } }, { subject: 'a' }],
    [
      'on several lines, with colours and a turned direction',
      { commit: { subject: 'a\r\nb\u001b[31mc', author: 'x\u202ey\u2028z' } },
      { subject: 'a b [31mc', author: 'x y z' },
    ],
  ])('%s', (_name, more, words) => {
    expect(pushWordsIn({ more })).toEqual(words);
  });

  it('are cut at their bounds, at no half of a character', () => {
    const { subject = '', author = '' } = pushWordsIn({
      more: { commit: { subject: 'x'.repeat(201), author: `${'y'.repeat(98)}😀😀` } },
    });
    expect([subject, author]).toEqual([`${'x'.repeat(199)}…`, `${'y'.repeat(98)}…`]);
    expect(pushWordsIn({ more: { commit: { subject: 'x'.repeat(200) } } })).toEqual({
      subject: 'x'.repeat(200),
    });
  });

  it('are one line that a summary holds, whatever was written, and the same again when read again', () => {
    const { subject, author } = runSummarySchema.shape;
    const any = fc.option(fc.oneof(fc.string({ unit: anyCharacter, maxLength: 900 }), fc.anything()), {
      nil: undefined,
    });
    fc.assert(
      fc.property(any, any, any, (push, one, two) => {
        const words = pushWordsIn({ more: { push, commit: { subject: one, author: two } } });
        for (const text of Object.values(words)) expect(text).toMatch(withoutControl);
        expect([subject.safeParse(words.subject).success, author.safeParse(words.author).success]).toEqual([
          true,
          true,
        ]);
        const more = moreOfPush(words);
        expect(encodeCanonical(more ?? {}).length).toBeLessThan(2048);
        expect(pushWordsIn({ more })).toEqual(words);
      }),
    );
  });
});
