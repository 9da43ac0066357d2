import { expect, it } from 'vitest';
import { InOrder } from '../../examples/demo/in-order.ts';
import { type Ahead, aheadOf, Story, savedBy, takenAnew } from '../../examples/demo/story.ts';
import type { Progress } from '../../src/protocol/wire/progress.ts';

const tests = ['test.a', 'test.b'];
const verdict = (level: 'agreed' | 'trusted', artifact = 'cid'): Progress => ({
  kind: 'verdict',
  level,
  artifact,
});
const leased: Progress = { kind: 'leased', round: 1, slot: 1, worker: 'w', operator: 'ada' };
const inputs = (build: string): Progress => ({ kind: 'inputs', job: 'job', inputs: { build } });

function told(...lines: [at: number, job: string, progress: Progress][]): Story {
  const story = new Story();
  for (const [at, job, progress] of lines) story.add({ at, job, progress });
  return story;
}

const ahead: Parameters<typeof told> = [
  [1000, 'build', verdict('agreed')],
  [1100, 'test.a', inputs('cid')],
  [1200, 'test.b', inputs('cid')],
  [1300, 'test.a', leased],
  [3000, 'test.a', verdict('agreed')],
  [4100, 'test.b', verdict('agreed')],
  [9000, 'build', verdict('trusted')],
  [9010, 'test.a', verdict('trusted')],
  [9050, 'test.b', verdict('trusted')],
];

it('progress out of order is sorted by its time, then by the order of the jobs', () => {
  const given: string[] = [];
  const order = new InOrder(['build', ...tests], ({ at, job }) => given.push(`${at} ${job}`));
  for (const [at, job] of [
    [2, 'test.b'],
    [2, 'build'],
    [1, 'test.a'],
  ] as const)
    order.push({ at, job, progress: leased });
  expect(given).toEqual([]);
  order.flush();
  expect(given).toEqual(['1 test.a', '2 build', '2 test.b']);
});

it('tests that rose saved what they take on trusted bytes, less the time that their rise took', () => {
  const times = aheadOf(told(...ahead), 'build', tests);
  expect(times).toEqual({ tests: 3000, waited: 8000, rise: 50 });
  expect([2000, 9000].map((anew) => savedBy(times as Ahead, anew))).toEqual([1950, 2950]);
});

it('the time that tests take anew is counted from their last begin', () => {
  const anew: typeof ahead = tests.flatMap((test, index): typeof ahead => [
    [20_000 + index, test, inputs('other')],
    [22_000 + index, test, verdict('trusted')],
  ]);
  expect(takenAnew(told(...ahead, ...anew), tests)).toBe(2001);
});

it('saved nothing that can be told where one of them never rose', () => {
  expect(aheadOf(told(...ahead.slice(0, -1)), 'build', tests)).toBeUndefined();
});

it('a job that was built between its verdicts did not rise', () => {
  const story = told(...ahead, [8000, 'test.b', leased]);
  expect([story.rose('test.a'), story.rose('test.b'), story.rose('package')]).toEqual([true, false, false]);
});

it('a job that fell is rebuilt once it began anew and is trusted', () => {
  const lost: Progress = { kind: 'input-lost', input: 'build', artifact: 'cid', reason: 'contradicted' };
  const fallen = told([1, 'test.a', inputs('wrong')], [2, 'test.a', verdict('agreed')], [3, 'test.a', lost]);
  expect([fallen.fell('test.a'), fallen.rebuilt('test.a')]).toEqual([true, false]);
  fallen.add({ at: 4, job: 'test.a', progress: inputs('right') });
  expect(fallen.rebuilt('test.a')).toBe(false);
  fallen.add({ at: 5, job: 'test.a', progress: verdict('trusted') });
  expect(fallen.rebuilt('test.a')).toBe(true);
});
