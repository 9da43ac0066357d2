import { expect, it } from 'vitest';
import { failedPart, LogGroups, LogLines } from '../../../src/client/commands/logs.ts';

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

it('a line has its time, and steps stand out', () => {
  const lines = new LogLines(String, (line) => `<${line}>`);
  const text = 'quorate: step 1 of 1: make\ncc\nld\nquorate: step 1 of 1 failed: exit 7\nend';
  expect(lines.push({ ...chunk('ada', text), times: '1+0 2+61000' })).toEqual([
    'ada│    0:00 <quorate: step 1 of 1: make>',
    'ada│    0:00 cc',
    'ada│    1:01 ld',
    'ada│    1:01 <quorate: step 1 of 1 failed: exit 7>',
  ]);
  expect(lines.end()).toEqual(['ada│    1:01 end']);
  expect(new LogLines(String).push({ ...chunk('ben', 'a\nb\n'), from: 2 })).toEqual(['ben│ b']);
});

it.each([
  ['failed', 'quorate: step 2 of 3 failed: exit 7\n', 3],
  ['was aborted', 'quorate: aborted: time: over 60 s\n', 3],
  ['was allowed to fail', 'quorate: step 2 of 3 failed (allowed): exit 7\n', undefined],
  ['passed', 'quorate: the end\n', undefined],
])('of a build whose last step %s, that step is shown with --failed', (_, end, from) => {
  const log = chunk('ada', `quorate: step 1 of 3: make\ncc\nquorate: step 2 of 3: test\nok\n${end}`);
  expect(failedPart(log).map((part) => part.from)).toEqual(from === undefined ? [] : [from]);
  expect(failedPart(chunk('ada', 'quorate: aborted: source: gone\n'))).toEqual([]);
});
