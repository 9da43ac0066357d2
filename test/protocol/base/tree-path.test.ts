import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isRefName } from '../../../src/protocol/base/git-ref.ts';
import { flawOfName, isBelow, isTreePath } from '../../../src/protocol/base/tree-path.ts';
import { receiptSchema } from '../../../src/protocol/documents/statement.ts';
import { anyCharacter } from '../../support/any-character.ts';

describe('a name in a tree', () => {
  it.each([
    ['app', undefined],
    ['größe ☃.tar.gz', undefined],
    ['a b', undefined],
    ['..a', undefined],
    ['', 'dots'],
    ['..', 'dots'],
    ['a/b', 'separator'],
    ['a\0b', 'separator'],
    ['a\tb', 'control'],
    ['a\nb', 'control'],
    ['a\u007fb', 'control'],
    ['a\u0085b', 'control'],
    ['a\u2028b', 'control'],
    ['txt\u202egpj', 'control'],
    ['a\u2066b', 'control'],
    ['a\ufffdb', 'encoding'],
    ['a\ud800b', 'encoding'],
    ['ä'.repeat(128), 'length'],
    [`a${'ä'.repeat(127)}`, undefined],
    ['.', 'dots'],
  ])('%j: %s', (name, flaw) => {
    expect(flawOfName(name)).toBe(flaw);
  });
});

it.each([
  ['a', true],
  ['a/b.c/..d', true],
  ['/a', false],
  ['', false],
  ['a//b', false],
  ['a/', false],
  ['./a', false],
  ['a/./b', false],
  ['a/..', false],
])('the path %j is below a folder: %s', (path, is) => expect(isBelow(path)).toBe(is));

it.each([
  ['main', true],
  ['feature/a.b', true],
  ['v1', true],
  ['', false],
  ['a b', false],
  ['a~1', false],
  ['a^', false],
  ['a:b', false],
  ['a?', false],
  ['a*', false],
  ['a[b', false],
  ['a\\b', false],
  ['a\u0001', false],
  ['-a', false],
  ['/a', false],
  ['a..b', false],
  ['a//b', false],
  ['a@{b', false],
  ['a/', false],
  ['a.', false],
  ['@', false],
  ['a/.b', false],
  ['a.lock', false],
  ['a.lock/b', false],
])('git takes %j for a name of a branch: %s', (ref, is) => expect(isRefName(ref)).toBe(is));

describe('the subjects of a receipt', () => {
  const digest = { sha256: 'a'.repeat(64) };
  const { subject } = receiptSchema.shape;
  const isListed = (name: string) => subject.safeParse([{ name, digest }]).success;

  it('list every path that a tree may hold, and no other', () => {
    const any = fc.string({ unit: anyCharacter, maxLength: 12 });
    const odd = fc.constantFrom('\t', '\u202e', '/', '..', '\ufffd', '\u{1f600}', 'a');
    const path = fc.oneof(
      any,
      fc.array(odd, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('')),
    );
    fc.assert(fc.property(path, (name) => isListed(name) === (name === '.' || isTreePath(name))));
  });

  it.each(['.', 'job', 'bin/tool'])('%s', (name) => expect(isListed(name)).toBe(true));
  it.each(['../loot', '/etc/passwd', 'a//b', 'a\tb', ''])('never %j', (name) =>
    expect(isListed(name)).toBe(false),
  );
});
