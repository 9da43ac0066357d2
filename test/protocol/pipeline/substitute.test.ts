import { expect, it } from 'vitest';
import { substitute } from '../../../src/protocol/pipeline/expand.ts';

it.each([
  ['a ${{ matrix.cc }} b', { text: 'a gcc b' }],
  ['$${{ matrix.cc }}', { text: '${{ matrix.cc }}' }],
  ['${{ cc }}', { fault: '"${{" begins no "${{ matrix.key }}"' }],
  ['${{ matrix.c }} ${{ cc }}', { fault: 'the matrix of the job has no key "c"' }],
  ['${{ matrix.constructor }}', { fault: 'the matrix of the job has no key "constructor"' }],
])('%s becomes %j', (text, made) => expect(substitute(text, { cc: 'gcc' })).toEqual(made));
