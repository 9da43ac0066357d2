import { describe, expect, it } from 'vitest';
import { ProgressView } from '../../src/client/commands/progress.ts';
import type { Progress } from '../../src/protocol/wire/progress.ts';
import { Output, type Sink } from '../../src/terminal/output.ts';
import { screen, sink } from './screen.ts';

const worker = '12D3KooWPwh5EADxnN1KXQFTrmGAXycZqZRVKHG7wcx7mczYTDRk';
const artifact = 'bafybeihlrz7j4sotzw4jmhsyio2yothja6egyyc42c6b25g5o7aa63256i';
const slot = <T>(operator: string, n: T) => ({ round: 1, slot: n, worker, operator });
const agreement: Progress[] = [
  { kind: 'round', round: 1, offer: 'x', agree: 2, of: 3, cosign: true },
  { kind: 'leased', ...slot('alice', 0) },
  { kind: 'leased', ...slot('mallory', 1) },
  { kind: 'delivered', ...slot('alice', 0) },
  { kind: 'lost', ...slot('mallory', 1), reason: 'silent\u001b[2J' },
  { kind: 'revealed', round: 1, results: [{ ...slot('alice', 0), result: artifact, log: null }] },
  { kind: 'agreed', round: 1, artifact, by: ['alice'] },
  { kind: 'verdict', level: 'trusted', artifact },
];

function play(out: Sink, { json = false, story = agreement, cursor = true, isVerified = false } = {}): void {
  const output = new Output(out, sink(), { json, colour: false, cursor });
  const view = new ProgressView(output.board(), output.colours);
  for (const [at, progress] of story.entries()) view.show(at * 1000, progress, isVerified);
  view.end();
}

describe('a run, shown', () => {
  it('is as wide as usual on a terminal that does not know its width', () => {
    for (const columns of [0, 80]) {
      const output = new Output(sink({ columns, rows: 20 }), sink(), {
        json: false,
        colour: false,
        cursor: true,
      });
      expect(output.width).toBe(80);
    }
  });

  it('prints a line per change where nothing can move', async () => {
    const out = sink();
    play(out);
    await new Promise((resolve) => setImmediate(resolve));
    expect(out.text()).toContain('slot 1  alice    12D3Koo…zYTDRk building\n');
    expect(out.text()).toContain('slot 1  alice    12D3Koo…zYTDRk done in 2.0 s, sealed\n');
    expect(out.text()).not.toContain('\u001b');
    expect(out.text()).toMatch(
      /^agreed \(unverified\) bafybei\w+ by alice\ntrusted \(unverified\) bafybei\w+\n$/m,
    );
  });

  it('tells a result once, and then only if it differs; of what is over, in the order of events', async () => {
    const other = artifact.replace(/.$/, 'a');
    const told: Progress[] = [
      { kind: 'leased', ...slot('alice', 0) },
      { kind: 'leased', ...slot('bob', 1) },
      { kind: 'leased', ...slot('owner', 'trusted') },
      {
        kind: 'revealed',
        round: 1,
        results: [
          { ...slot('alice', 0), result: artifact, log: null },
          { ...slot('bob', 1), result: other, log: null },
        ],
      },
      { kind: 'agreed', round: 1, artifact, by: ['alice'] },
      { kind: 'delivered', ...slot('owner', 'trusted') },
      { kind: 'verdict', level: 'trusted', artifact },
    ];
    const followed = await shownOf(told);
    expect(followed.filter((line) => line.includes('alice '))).toHaveLength(2);
    expect(followed.filter((line) => line.includes('DIFFERS'))).toEqual([expect.stringContaining('bob')]);
    const last = sink();
    const output = new Output(last, sink(), { json: false, colour: false });
    const view = new ProgressView(output.lastRows(), output.colours, String);
    for (const [at, progress] of told.entries()) view.show(at * 1000, progress);
    view.end();
    expect(last.text().trimEnd().split('\n')).toEqual([
      expect.stringMatching(/ alice .* agrees$/),
      expect.stringMatching(/ bob .* DIFFERS$/),
      `agreed ${artifact} by alice`,
      expect.stringMatching(/ owner .* done in 3\.0 s, sealed$/),
      `trusted ${artifact}`,
    ]);
  });

  it('moves nothing on a terminal whose cursor stays', async () => {
    const out = sink({ columns: 80, rows: 20 });
    play(out, { cursor: false });
    await new Promise((resolve) => setImmediate(resolve));
    expect(out.text()).toContain('slot 1  alice    12D3Koo…zYTDRk building\n');
    expect(out.text()).not.toContain('\u001b');
  });

  it('keeps one line per slot on a terminal, however narrow', async () => {
    const out = sink({ columns: 30, rows: 20 });
    play(out);
    await new Promise((resolve) => setImmediate(resolve));
    const shown = screen(out.text());
    expect(shown.filter((line) => line.includes('slot 1'))).toHaveLength(1);
    expect(shown.filter((line) => line.includes('slot ')).every((line) => line.length < 30)).toBe(true);
    expect(shown.slice(-2)).toEqual(['trusted (unverified)', 'bafybei…63256i']);
  });

  it('prints plain lines where a terminal has fewer rows than there are slots', async () => {
    const out = sink({ columns: 80, rows: 3 });
    play(out);
    await new Promise((resolve) => setImmediate(resolve));
    expect(screen(out.text()).at(-1)).toBe('trusted (unverified) bafybei…63256i');
  });

  it('says in full, above the rows, why builds were aborted and what to do, and why there is no verdict', async () => {
    const hint = 'hint: a server of a private network counts only where it is named\u001b[2J';
    const result = `aborted: source: EGRESS_ADDRESS_REFUSED: git.example is 10.0.0.1 (${hint})`;
    const ended: Progress[] = [
      { kind: 'round', round: 1, offer: 'x', agree: 2, of: 3, cosign: true },
      {
        kind: 'revealed',
        round: 1,
        results: [
          { ...slot('alice', 0), result, log: null },
          { ...slot('bob', 1), result, log: null },
        ],
      },
      { kind: 'verdict', level: 'unfinished', artifact: null, reason: 'aborted' },
    ];
    const out = sink({ columns: 40, rows: 20 });
    play(out, { story: ended });
    await new Promise((resolve) => setImmediate(resolve));
    const shown = screen(out.text());
    expect(shown.every((line) => line.length <= 40)).toBe(true);
    expect(shown.join(' ')).toContain(`alice, bob: ${result.replace('\u001b', '\\x1b')}`);
    expect(shown.at(-1)).toBe('unfinished: no operator could build it');
  });

  const shownOf = async (story: Progress[], size?: { columns: number; rows: number }, isVerified = false) => {
    const out = sink(size);
    play(out, { story, isVerified });
    await new Promise((resolve) => setImmediate(resolve));
    return size !== undefined ? screen(out.text()) : out.text().trimEnd().split('\n');
  };

  it('says of levels and alarms that they are not verified, until evidence shows them', async () => {
    const other = artifact.replace(/.$/, 'a');
    const told: Progress[] = [
      { kind: 'contradicted', round: 1, artifact: other, trusted: artifact },
      { kind: 'verdict', level: 'agreed', artifact },
      { kind: 'verdict', level: 'trusted', artifact },
      { kind: 'repeated', earlier: 'a'.repeat(64), decidedAt: 0, same: true, artifact, before: artifact },
    ];
    const contradicts = `the trusted worker's build does not confirm bafybei…63256a, which is revoked.`;
    const same = 'built again: the same bytes as in run aaaaaaaaaa (1970-01-01 00:00:00Z).';
    expect(await shownOf(told)).toEqual([
      `The controller says: ${contradicts}`,
      `trusted (unverified) ${artifact}`,
      `The controller says: ${same}`,
    ]);
    expect(await shownOf(told, undefined, true)).toEqual([
      `T${contradicts.slice(1)}`,
      `agreed (verified) ${artifact}`,
      `trusted (verified) ${artifact}`,
      `B${same.slice(1)}`,
    ]);
    const revoked = { artifact, what: 'key', id: 'k', since: 3, reason: 'stolen' };
    expect(await shownOf([{ kind: 'revoked', ...revoked }])).toEqual([
      'The controller says: the verdict stands no more: the key k was revoked from leaf 3 on: stolen.',
    ]);
  });

  it('says of no build that it goes on once the run is over, and why slots have no result', async () => {
    const begun: Progress[] = [
      { kind: 'round', round: 1, offer: 'x', agree: 2, of: 4, cosign: false },
      ...['ann', 'ben', 'cy'].map((who, n) => ({ kind: 'leased' as const, ...slot(who, n) })),
      { kind: 'delivered', ...slot('ann', 0) },
      { kind: 'lost', ...slot('ben', 1), reason: 'silent' },
    ];
    const size = { columns: 80, rows: 20 };
    const cancelled = await shownOf([...begun, { kind: 'cancelled', reason: 'no' }], size);
    expect(cancelled.filter((line) => line.includes('slot '))).toEqual([
      expect.stringMatching(/ann .* done, cancelled$/),
      expect.stringMatching(/ben .* lost: silent$/),
      expect.stringMatching(/cy .* cancelled$/),
    ]);
    const ended = await shownOf(
      [
        ...begun,
        { kind: 'unfilled', round: 1, slots: 3 },
        { kind: 'verdict', level: 'unfinished', artifact: null, reason: 'too-few' },
      ],
      size,
    );
    expect(ended).toContain(
      'Slots without a result: 1 not taken; 1 lost (ben); 1 ended with the round (cy).',
    );
    const aborted = await shownOf([...begun.slice(0, 5), { kind: 'unfilled', round: 1, slots: 4 }]);
    expect(aborted).toContain(
      'Slots without a result: 1 not taken; 1 aborted; 2 ended with the round (ben, cy).',
    );
    expect(ended.find((line) => line.includes('cy '))).toMatch(/not finished, ended with it$/);
  });

  it('says once who declines, where rows cannot change, and all together with the verdict', async () => {
    const round = (n: number): Progress[] => [
      { kind: 'round', round: n, offer: 'x', agree: 2, of: 3, cosign: false },
      ...['ann', 'ben'].map((operator) => ({
        kind: 'passed' as const,
        round: n,
        operator,
        worker,
        reason: 'paused',
      })),
    ];
    const lines = await shownOf([
      ...[...round(1), ...round(2)],
      { kind: 'verdict', level: 'unfinished', artifact: null, reason: 'not-taken' },
    ]);
    expect(lines.filter((line) => line.includes('declined'))).toEqual([
      '  declined by ann: paused',
      '  declined by ben: paused',
      '  declined by ann, ben: paused',
    ]);
  });

  it('names files that differ once', async () => {
    const files = { files: ['bin/x'], count: 1 };
    const lines = await shownOf([
      { kind: 'round', round: 1, offer: 'x', agree: 2, of: 3, cosign: false },
      { kind: 'differs', round: 1, ...files },
      { kind: 'compared', results: [], ...files },
    ]);
    expect(lines.filter((line) => line.startsWith('Files that differ'))).toHaveLength(1);
  });

  it('says how to compare what differs: the result of most with each of the others', async () => {
    const other = artifact.replace(/zz|.$/, 'a');
    const results = [other, artifact, 'exit 1', artifact].map((result, n) => ({
      ...slot(`op${n}`, n),
      result,
      log: null,
    }));
    const differing: Progress[] = [
      { kind: 'round', round: 1, offer: 'x', agree: 3, of: 4, cosign: false },
      { kind: 'revealed', round: 1, results },
      { kind: 'differs', round: 1, files: ['bin/x\u001b[2J'], count: 1 },
    ];
    const out = sink();
    play(out, { story: differing });
    await new Promise((resolve) => setImmediate(resolve));
    expect(out.text().split('\n').slice(-4)).toEqual([
      'Files that differ: bin/x\\x1b[2J',
      `Compare them: quorate diff ${artifact} ${other}`,
      'What they depend on: quorate try --vary',
      '',
    ]);
  });

  it('says nothing for people with --json', async () => {
    const out = sink();
    play(out, { json: true });
    await new Promise((resolve) => setImmediate(resolve));
    expect(out.text()).toBe('');
  });
});

describe('a text with control characters that no caller escaped', () => {
  const text = '\u001b[31mred\u001b[39m \u001b[2J\u001b]0;title\u0007\r\u202e';
  const shown = '\u001b[31mred\u001b[39m \\x1b[2J\\x1b]0;title\\x07\\x0d\\u202e';

  it.each<[string, (output: Output) => void]>([
    ['said', (output) => output.say(text)],
    ['printed', (output) => output.print(text)],
    ['noted', (output) => output.note(text)],
    ['said above rows', (output) => output.board().say(text)],
    ['a row', (output) => output.board().set('row', { text })],
    [
      'a row that is printed once',
      (output) => {
        const rows = output.lastRows();
        rows.set('row', { text });
        rows.settle('row');
      },
    ],
  ])('is %s with colours alone, on a terminal and elsewhere', async (_, tell) => {
    for (const terminal of [undefined, { columns: 80, rows: 20 }]) {
      const out = sink(terminal);
      const output = new Output(out, out, { json: false, colour: true, cursor: true });
      const board = output.board();
      tell(output);
      board.end();
      await new Promise((resolve) => setImmediate(resolve));
      expect(out.text()).toContain(shown);
      for (const raw of ['\u001b[2J', '\u0007', '\r']) expect(out.text()).not.toContain(raw);
    }
  });
});
