import { expect, it } from 'vitest';
import { LogGroups } from '../../../src/client/commands/logs.ts';

const chunk = (operator: string, text: string) => ({
  worker: `id of ${operator}`,
  operator,
  slot: '0',
  text,
});

it('identical logs are shown once, under the names of all, however they were cut', () => {
  const groups = new LogGroups();
  for (const one of [
    chunk('ada', 'a\n'),
    chunk('ben', 'a\nb\n'),
    chunk('cyd', 'other\n'),
    chunk('ada', 'b\n'),
  ])
    expect(groups.push(one)).toEqual([]);
  expect(groups.end()).toMatchObject([
    { operator: 'ada, ben', text: 'a\nb\n' },
    { operator: 'cyd', text: 'other\n' },
  ]);
});

it('groups beyond the memory bound are printed as they come', () => {
  const groups = new LogGroups();
  const much = 'x'.repeat(40 * 1024 * 1024);
  expect(groups.push(chunk('ada', much))).toEqual([]);
  expect(groups.push(chunk('ben', much)).map(({ operator }) => operator)).toEqual(['ada', 'ben']);
  expect(groups.push(chunk('ada', 'more'))).toHaveLength(1);
  expect(groups.end()).toEqual([]);
});
