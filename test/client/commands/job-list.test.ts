import { expect, it } from 'vitest';
import { headlineLine, jobLines, runsByPush } from '../../../src/client/commands/job-list.ts';
import type { RunSummary } from '../../../src/protocol/wire/runs.ts';
import { Output } from '../../../src/terminal/output.ts';
import { sink } from '../../cli/screen.ts';

const artifact = 'bafybeihlrz7j4sotzw4jmhsyio2yothja6egyyc42c6b25g5o7aa63256i';
const { colours } = new Output(sink(), sink(), { json: false, colour: false });

const run = (letter: string, name: string, at: number, over: Partial<RunSummary> = {}): RunSummary => ({
  run: letter.repeat(64),
  job: 'baguqeera',
  name,
  repo: 'git://host/tool',
  ref: 'refs/heads/main',
  commit: 'c'.repeat(40),
  state: 'done',
  level: 'trusted',
  artifact,
  submittedAt: at,
  round: 1,
  policy: { agree: 2, of: 3, cosign: true },
  ...over,
});
const other = { ref: `feature/${'x'.repeat(60)}-two`, commit: 'd'.repeat(40) };
const runs = [
  run('d', 'build', 9_000, {
    ...other,
    state: 'cancelled',
    level: null,
    artifact: null,
    cancelled: 'no\u001b[2J',
  }),
  run('c', 'package', 3_000, { state: 'building', level: null, artifact: null, startedAt: 5_000 }),
  run('b', 'check', 2_000, { test: true, cosigned: false, artifact: null }),
  run('a', 'lib', 1_000, { startedAt: 1_100, tookMs: 1_500, doneMs: 1_800 }),
];
const shown = (width: number, breaks = true) => jobLines(runs, { now: 10_000, colours, width, breaks });

it('jobs are listed by what was pushed, the newest first, each in the order in which they were published', () => {
  expect(runsByPush(runs).map(({ jobs }) => jobs.map(({ name }) => name))).toEqual([
    ['build'],
    ['lib', 'check', 'package'],
  ]);
});

it('a commit that was published again is another push, as the controller tells', () => {
  const [first, again] = ['a', 'c'].map((letter) => ({ push: letter.repeat(64) }));
  const told = [run('d', 'check', 4, again), run('c', 'lib', 3, again), run('b', 'check', 2, first)];
  expect(
    runsByPush([...told, run('a', 'lib', 1, first)]).map(({ jobs }) => jobs.map(({ run: id }) => id[0])),
  ).toEqual([
    ['c', 'd'],
    ['a', 'b'],
  ]);
});

it('states stand first, below each other, and ids are short', () => {
  expect(shown(80)).toEqual([
    `feature/${'x'.repeat(16)}…${'x'.repeat(19)}-two dddddddd  1.0 s ago`,
    '  cancelled  dddddddddd  build',
    '      no\\x1b[2J',
    'main cccccccc  7.0 s ago',
    '  trusted    aaaaaaaaaa  lib           in 1.5 s   bafybei…63256i',
    '  trusted *  bbbbbbbbbb  check (test)',
    '  building   cccccccccc  package       for 5.0 s',
  ]);
});

it('the list opens with one sentence on the default branch', () => {
  expect(headlineLine(runs, { colours })).toBe('main is being built: package.');
  const made = run('a', 'lib', 0, {
    tally: { ended: 2, failed: 0, same: 2, by: ['ada', 'ben'] },
    doneMs: 14_000,
  });
  expect(headlineLine([made], { colours })).toBe(
    'main is trusted: ada, ben and your own worker made the same bytes, in 14 s.',
  );
  // The run before it of the same job counts no more, as on the page of the project.
  const failed = run('e', 'lib', -1_000, { level: 'failed', artifact: null });
  expect(headlineLine([made, failed], { colours })).toBe(headlineLine([made], { colours }));
});

it('a push is headed by the subject and the author of its commit, on a line of its own where both do not fit', () => {
  const words = { subject: 'Mend the parser of dates\u001b[2J', author: 'Ada' };
  const heads = (width: number) =>
    jobLines([run('a', 'lib', 0, words)], { now: 60_000, colours, width, breaks: true }).slice(0, -1);
  expect(heads(80)).toEqual(['main cccccccc  Mend the parser of dates\\x1b[2J  Ada, 1 min ago']);
  expect(heads(50)).toEqual(['main cccccccc  Ada, 1 min ago', '  Mend the parser of dates\\x1b[2J']);
});

it('no state is hidden where the terminal is narrow, and no line is wider than it', () => {
  for (const width of [60, 40]) {
    const lines = shown(width);
    for (const state of ['cancelled', 'trusted', 'trusted *', 'building'])
      expect(lines.some((line) => line.startsWith(`  ${state}`))).toBe(true);
    expect(lines.filter((line) => line.length > width && line.includes(' '.repeat(3)))).toEqual([]);
  }
});

it('has each text whole where a pipe reads it', () => {
  const reason = `${'many words '.repeat(20)}end`;
  const [, , why] = jobLines([run('d', 'build', 0, { state: 'cancelled', level: null, cancelled: reason })], {
    now: 0,
    colours,
    width: 80,
    breaks: false,
  });
  expect(why).toBe(`      ${reason}`);
});
