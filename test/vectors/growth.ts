import { cidOf } from '../support/documents.ts';

const more = { note: 'é', when: [1, null, true], deeper: { 'a key': {} } };
/** Canonical JSON of 4 KiB, and of one byte more. */
const [full, over] = [4096, 4097].map((bytes) => ({ a: 'x'.repeat(bytes - '{"a":""}'.length) }));

/** Members that every signed document may have beside its own. */
export const mayHave: [string, object][] = [
  ['with what a later version adds', { more }],
  ['with nothing that a later version adds', { more: {} }],
  ['with 4 KiB that a later version adds', { more: full }],
];

/** Members that none may have, and the code that refuses them. */
export const mayNotHave: [string, object, string][] = [
  ['with more than 4 KiB that a later version adds', { more: over }, 'DOC_INVALID'],
  ['with `more` that is a list', { more: [] }, 'DOC_INVALID'],
  ['with `more` that is text', { more: 'more' }, 'DOC_INVALID'],
  ['with `more` that is null', { more: null }, 'DOC_INVALID'],
  ['with a fraction in `more`', { more: { a: 0.5 } }, 'DOC_INVALID'],
  ['with a link in `more`', { more: { a: { '/': cidOf('job') } } }, 'DOC_INVALID'],
  ['with `more` that is a link', { more: { '/': cidOf('job') } }, 'DOC_INVALID'],
  ['with bytes in `more`', { more: { a: { '/': { bytes: 'AAAA' } } } }, 'DOC_INVALID'],
  ['with `__proto__` in `more`', { more: JSON.parse('{"a":[{"__proto__":{"b":1}}]}') }, 'DOC_INVALID'],
  ['of version 1, stated', { v: 1 }, 'DOC_INVALID'],
  ['of version 0', { v: 0 }, 'DOC_INVALID'],
  ['of a version in text', { v: '9' }, 'DOC_INVALID'],
  ['of version 9.5', { v: 9.5 }, 'DOC_INVALID'],
  ['of version 9', { v: 9 }, 'DOC_NEWER'],
  ['of version 9, with an unknown field', { v: 9, zz: 1 }, 'DOC_NEWER'],
];
