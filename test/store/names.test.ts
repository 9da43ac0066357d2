import { describe } from 'vitest';
import { checkTarget, splitPath } from '../../src/store/names.ts';
import { type Bound, holds, list, text, unless } from '../core/taken.ts';

/** A path of so many bytes. */
const long = (n: number): string =>
  `${text(200)}/`
    .repeat(n)
    .slice(0, n - 1)
    .concat('b');

const bounds: Bound[] = [
  ['bytes of a path', unless(['STORE_PATH_TOO_LONG'], (n) => splitPath(long(n))), 4_096],
  [
    'bytes of a path in other letters',
    unless(['STORE_PATH_TOO_LONG'], (n) => splitPath(`${'\u00e4/'.repeat(10)}${text(n - 30)}`)),
    285,
  ],
  ['bytes of a name', unless(['STORE_PATH_TOO_LONG'], (n) => splitPath(text(n))), 255],
  ['parts of a path', unless(['STORE_PATH_TOO_DEEP'], (n) => splitPath(list(n, 'a').join('/'))), 64],
  [
    'bytes of the target of a link',
    unless(['STORE_LINK_REFUSED'], (n) => checkTarget(text(n), 'link')),
    4_096,
  ],
];

describe('a tree takes at most so many', () => holds(bounds));
