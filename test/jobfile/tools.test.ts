import { expect, it } from 'vitest';
import { toolsOf } from '../../src/jobfile/index.ts';

const named = (run: string, image = 'host') => toolsOf([{ image, run: [run] }]).map(({ name }) => name);

it('programs are those at the beginning of a command, and known to be lacking now and then', () => {
  expect(named('make -j2 && CC=gcc cmake .; (npm ci | jq .)\n  if go build; then cargo test; fi')).toEqual([
    ...['make', 'cmake', 'npm', 'jq', 'go', 'cargo'],
  ]);
  expect(named('echo make; ./make; makefile; X=make; constructor; toString')).toEqual([]);
  expect(named('make', 'bafybei')).toEqual([]);
  expect(toolsOf([{ image: 'host', run: ['g++ x.cc', { run: 'g++ y.cc', allowFailure: true }] }])).toEqual([
    { name: 'g++', of: 'g++' },
  ]);
});

it('a long command is read in time that does not grow with its square', () => {
  const repeated = ['A=a ', ' ', 'then ', 'a', 'A=( ', '(A=', 'env A=env '];
  for (const text of repeated) expect(named(text.repeat(400_000 / text.length))).toEqual([]);
});
