import { describe, expect, it } from 'vitest';
import { graphRows } from '../../../src/client/commands/pipeline-graph.ts';
import { PipelineView } from '../../../src/client/commands/pipeline-view.ts';
import { pipelineTable } from '../../../src/client/commands/show.ts';
import { afterProgress, untold } from '../../../src/protocol/account/told-facts.ts';
import type { Progress } from '../../../src/protocol/wire/progress.ts';
import type { PipelineJob } from '../../../src/protocol/wire/runs.ts';
import { Output, type Sink } from '../../../src/terminal/output.ts';
import { documentedEvents } from '../../cli/run-events.ts';
import { screen, sink } from '../../cli/screen.ts';

const jobs = (needs: Record<string, string[]>) =>
  Object.entries(needs).map(([name, of]) => ({ id: name, name, needs: of }));

const drawn = (needs: Record<string, string[]>) =>
  graphRows(jobs(needs)).map(({ head, also }) => (also.length === 0 ? head : `${head} + ${also.join(' ')}`));

describe('the graph of a pipeline', () => {
  it('has each job below the last of those it needs, and names the others', () => {
    const needs = { lib: [], 'test.1': ['lib'], 'test.2': ['lib'], docs: [], all: ['lib', 'test.1', 'docs'] };
    expect(drawn(needs)).toEqual(['lib', '├ test.1', '│ └ all + docs', '└ test.2', 'docs']);
  });

  it('leaves out what follows from the rest, and runs lines past jobs that are below others', () => {
    const needs = { a: [], b: ['a'], c: ['a', 'b'], d: ['a'] };
    expect(drawn(needs)).toEqual(['a', '├ b', '│ └ c', '└ d']);
  });

  it('takes jobs in any order, and needs that are not there or go round in a circle', () => {
    expect(drawn({ b: ['a', 'gone'], a: [] })).toEqual(['a', '└ b']);
    expect(drawn({ a: ['b'], b: ['a'] })).toEqual(['a', 'b']);
  });

  it('has a job once that is told twice, and what rests on it once', () => {
    const chain = jobs({ a: [], b: ['a'], c: ['b'] });
    expect(graphRows([...chain, ...chain]).map(({ head }) => head)).toEqual(['a', '└ b', '  └ c']);
  });
});

const artifact = 'bafybeihlrz7j4sotzw4jmhsyio2yothja6egyyc42c6b25g5o7aa63256i';
const published = [
  { name: 'lib', run: 'a', needs: [] },
  { name: 'test', run: 'b', needs: [{ name: 'lib', level: 'agreed' }] },
];
const slot = (operator: string) => ({ round: 1, slot: 0, worker: 'w', operator });
const round: Progress = { kind: 'round', round: 1, offer: 'x', agree: 2, of: 3, cosign: true };
const story: [name: string, at: number, progress: Progress][] = [
  ['lib', 0, round],
  ['test', 0, { kind: 'waiting', needs: { lib: { request: 'a', level: 'agreed' } } }],
  ['lib', 1000, { kind: 'leased', ...slot('ada') }],
  ['lib', 1000, { kind: 'leased', ...slot('ben') }],
  ['lib', 3000, { kind: 'revealed', round: 1, results: [] }],
  ['lib', 3000, { kind: 'verdict', level: 'agreed', artifact }],
  ['test', 4000, round],
  ['test', 4000, { kind: 'leased', ...slot('cleo') }],
  ['test', 9000, { kind: 'verdict', level: 'agreed', artifact: null }],
];

function view(out: Sink, kept?: string): PipelineView {
  const output = new Output(out, sink(), { json: false, colour: false });
  return new PipelineView(
    output.board(),
    output.colours,
    published.map((job) => ({ ...job, isKept: job.name === kept })),
  );
}

async function play(
  out: Sink & { text(): string },
  more: typeof story = [],
  verified?: string,
  kept?: string,
): Promise<string> {
  const shown = view(out, kept);
  const facts = new Map(published.map(({ name, run }) => [name, untold(run)]));
  for (const [name, at, progress] of [...story, ...more]) {
    const now = afterProgress(facts.get(name) ?? untold(''), progress);
    facts.set(name, now);
    shown.show(name, at, progress, now);
  }
  if (verified !== undefined) shown.verified(verified, facts.get(verified) ?? untold(''));
  await new Promise((resolve) => setImmediate(resolve));
  return out.text();
}

describe('a pipeline that is followed', () => {
  it('is one picture on a terminal: what rests on what, level, who builds, time', async () => {
    const lines = screen(await play(sink({ columns: 100, rows: 24 })));
    expect(lines).toEqual([
      '  lib     agreed (unverified)  in 2.0 s  bafybei…63256i  ada, ben',
      '  └ test  provisional  in 5.0 s  cleo',
    ]);
  });

  it('says so once what a job rests on is trusted', async () => {
    const lines = screen(
      await play(sink({ columns: 100, rows: 24 }), [
        ['lib', 10_000, { kind: 'verdict', level: 'trusted', artifact }],
      ]),
    );
    expect(lines[1]).toBe('  └ test  agreed (unverified)  in 5.0 s  cleo');
  });

  it('says of a level when its evidence was verified', async () => {
    const trusted: typeof story = [['lib', 10_000, { kind: 'verdict', level: 'trusted', artifact }]];
    const rest = '  in 9.0 s  bafybei…63256i  ada, ben';
    const size = { columns: 100, rows: 24 };
    expect(screen(await play(sink(size), trusted))[0]).toBe(`  lib     trusted (unverified)${rest}`);
    expect(screen(await play(sink(size), trusted, 'lib'))[0]).toBe(`  lib     trusted (verified)${rest}`);
    const lines = (await play(sink(), trusted, 'lib')).split('\n').filter((line) => line.includes('trusted'));
    expect(lines.map((line) => line.slice(0, 30).trimEnd())).toEqual([
      '  lib     trusted (unverified)',
      '  lib     trusted (verified)',
    ]);
  });

  it('keeps names and levels on a narrow terminal', async () => {
    const lines = screen(await play(sink({ columns: 31, rows: 24 })));
    expect(lines).toEqual(['  lib     agreed (unverified)', '  └ test  provisional']);
    const narrower = screen(await play(sink({ columns: 21, rows: 24 })));
    expect(narrower).toEqual(['lib agreed (unverif…', '└ test provisional']);
  });

  it('marks what nobody co-signed, as the list of jobs does', async () => {
    const lines = screen(
      await play(sink({ columns: 100, rows: 24 }), [
        ['test', 10_000, { kind: 'verdict', level: 'trusted', artifact: null, cosigned: false }],
      ]),
    );
    expect(lines[1]).toBe('  └ test  trusted (unverified) *  in 6.0 s  cleo');
  });

  it('keeps artifact and time of what is agreed while the trusted worker builds it', async () => {
    const lines = screen(
      await play(sink({ columns: 100, rows: 24 }), [
        ['lib', 10_000, { kind: 'leased', ...slot('tower'), slot: 'trusted' }],
      ]),
    );
    expect(lines[0]).toBe(
      '  lib     agreed (unverified)  in 2.0 s  bafybei…63256i  ada, ben  the trusted worker builds it',
    );
  });

  it('has one row for an earlier run that stands for a job, once that is proven', async () => {
    const rows = (await play(sink(), [], 'lib', 'lib')).split('\n').filter((line) => line.includes('lib  '));
    expect(rows).toEqual([`  lib     agreed (verified)  kept  in 2.0 s  ${artifact}  ada, ben`]);
  });

  it('says of a job that fell with another one after that one', async () => {
    const cancelled = (reason: string): Progress => ({ kind: 'cancelled', reason });
    const text = await play(sink(), [
      ['test', 10_000, cancelled('lib failed')],
      ['lib', 10_000, { kind: 'verdict', level: 'failed', artifact: null }],
    ]);
    const states = [...text.matchAll(/^ {2}(\w+) +(failed|cancelled)/gm)].map(([, name, state]) => [
      name,
      state,
    ]);
    expect(states).toEqual([
      ['lib', 'failed'],
      ['test', 'cancelled'],
    ]);
    // For a reason of its own.
    expect(await play(sink(), [['test', 10_000, cancelled('no')]])).toContain('  test    cancelled: no');
  });

  it('says so of a job that fell with an earlier run that stands for another, whichever is told first', async () => {
    const shown = sink();
    const rows = view(shown, 'lib');
    const tell = (name: string, progress: Progress) =>
      rows.show(name, 0, progress, afterProgress(untold(name), progress));
    tell('test', { kind: 'cancelled', reason: 'lib was revoked' });
    tell('lib', { kind: 'verdict', level: 'trusted', artifact });
    await new Promise((resolve) => setImmediate(resolve));
    expect(shown.text()).toBe('  test    cancelled: lib was revoked\n');
  });

  it('looks at each job a few times for an event, however many ways lead to it', async () => {
    const [deep, wide] = [5, 5];
    const names = (at: number) => Array.from({ length: wide }, (_, n) => `${at}${n}`);
    const all = Array.from({ length: deep }, (_, at) => names(at).map((name) => [name, at] as const)).flat();
    const needs = (at: number) => (at === 0 ? [] : names(at - 1).map((name) => ({ name, level: 'agreed' })));
    for (const progress of [
      (at: number): Progress => ({ kind: 'cancelled', reason: `with ${names(at - 1).join(', ')}` }),
      (): Progress => ({ kind: 'verdict', level: 'trusted', artifact }),
    ]) {
      const output = new Output(sink(), sink(), { json: false, colour: false });
      const rows = new PipelineView(
        output.board(),
        output.colours,
        all.map(([name, at]) => ({ name, run: name, needs: needs(at) })),
      );
      let looks = 0;
      // The last ones first, so that all of them wait for those of the first row.
      for (const [name, at] of all.toReversed()) {
        const facts = afterProgress(untold(name), progress(at));
        const { state } = facts;
        const get = () => {
          looks++;
          return state;
        };
        rows.show(name, 0, progress(at), Object.defineProperty(facts, 'state', { get }));
      }
      expect(looks).toBeLessThan(all.length ** 2 * wide * deep);
    }
  });

  it('names no more operators than a round has, whatever is told', async () => {
    const leased: typeof story = Array.from({ length: 100 }, (_, n) => [
      'lib',
      0,
      { kind: 'leased', ...slot(`operator${n}`) },
    ]);
    const lines = (await play(sink(), [['lib', 0, round], ...leased])).split('\n');
    expect(lines.some((line) => line.includes('operator9'))).toBe(true);
    expect(lines.filter((line) => line.includes('operator20'))).toEqual([]);
  });

  it('says why nobody takes a job', async () => {
    const passed: Progress = { kind: 'passed', ...slot('dan'), reason: 'the job wants 64 GiB of memory' };
    const text = await play(sink(), [
      ['lib', 0, round],
      ['lib', 0, passed],
    ]);
    expect(text).toContain('  lib     offered  declined by dan: the job wants 64 GiB of memory\n');
  });

  it('is a line per change elsewhere, without a drawing', async () => {
    const text = await play(sink());
    expect(text.split('\n')).toEqual([
      '  lib     offered',
      '  test    waiting: for lib',
      '  lib     building  ada',
      '  lib     building  ada, ben',
      '  lib     built in 2.0 s  ada, ben',
      `  lib     agreed (unverified)  in 2.0 s  ${artifact}  ada, ben`,
      '  test    offered',
      '  test    building  cleo',
      '  test    provisional  in 5.0 s  cleo',
      '',
    ]);
  });
});

describe('the events of a run', () => {
  it('are those of the page, each with its fields', () => {
    const kinds: Record<Progress['kind'], true> = {
      accepted: true,
      waiting: true,
      inputs: true,
      'input-lost': true,
      round: true,
      leased: true,
      passed: true,
      delivered: true,
      lost: true,
      unfilled: true,
      revealed: true,
      differs: true,
      acknowledged: true,
      agreed: true,
      failed: true,
      unconfirmed: true,
      contradicted: true,
      compared: true,
      cosigning: true,
      'cosign-delayed': true,
      'cosign-refused': true,
      witnessing: true,
      unwitnessed: true,
      'pin-failed': true,
      cancelled: true,
      verdict: true,
      revoked: true,
      reopened: true,
      answered: true,
      'answer-failed': true,
      'answer-cosigning': true,
      'answer-refused': true,
      repeated: true,
      restored: true,
    };
    const others = ['account', 'dependencies', 'skipped', 'submitted', 'kept', 'output', 'unproven'];
    expect([...documentedEvents().keys()].sort()).toEqual([...Object.keys(kinds), ...others].sort());
  });
});

describe('the pipeline of a job that is shown', () => {
  const run = (letter: string) => letter.repeat(64);
  const out = new Output(sink(), sink(), { json: false, colour: false });
  const job = (letter: string, name: string, needs: string[], over: Partial<PipelineJob>): PipelineJob => ({
    run: run(letter),
    name,
    state: 'done',
    level: 'trusted',
    needs: needs.map((of) => ({ name: of, run: run(of), level: 'agreed' as const })),
    ...over,
  });

  it('marks what is provisional, what nobody co-signed and what stands no more, and says why a job ended', () => {
    const lines = pipelineTable(
      [
        job('a', 'lib', [], { state: 'agreed', level: 'agreed' }),
        job('b', 'test', ['a'], {
          state: 'agreed',
          level: 'agreed',
          test: true,
          cosigned: false,
          awaits: ['lib'],
        }),
        job('c', 'docs', ['a'], { state: 'cancelled', level: null, cancelled: 'wrong\u001b[2J' }),
        job('d', 'old', ['a'], { revoked: true }),
        job('e', 'app', ['a', 'b'], { state: 'waiting', level: null, awaits: ['lib', 'test'] }),
      ],
      run('b'),
      out,
    );
    expect(lines).toEqual([
      '  lib      aaaaaaaaaa  agreed',
      '> ├ test   bbbbbbbbbb  test, provisional *',
      '  │ └ app  eeeeeeeeee  waiting: for lib, test',
      '  ├ docs   cccccccccc  cancelled: wrong\\x1b[2J',
      '  └ old    dddddddddd  revoked',
      '* not co-signed: whoever holds the controller can forge this',
    ]);
  });
});
