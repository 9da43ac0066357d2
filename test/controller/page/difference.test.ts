import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type exited, treeCid } from '../../../simulations/paperwork.ts';
import { differencePart } from '../../../src/controller/page/difference.ts';
import { pageLimits } from '../../../src/controller/page/limits.ts';
import { A, B, failed } from '../machine/bench.ts';
import { openSite, openStage, type Stage } from './scenes/site.ts';
import { type Files, Story, six } from './scenes/story.ts';
import { markupOf } from './support.ts';

const C = treeCid('c');
const of = (slot: number | 'trusted', operator: string, result: string, over: object = {}) => ({
  round: 1,
  slot,
  operator,
  worker: `w${slot}`,
  result,
  log: null,
  tier: 'gvisor',
  ...over,
});

const compared = (results: object[], files = ['bin/x'], state: object = {}) =>
  String(
    differencePart(
      {
        summary: { run: 'f'.repeat(64), state: 'done', level: 'disputed', ...state },
        history: [{ at: 1, progress: { kind: 'compared', results, files, count: files.length } }],
      } as never,
      true,
    ),
  );

describe('the difference of a dispute', () => {
  it('names who built each side, that of most first, and has both files', () => {
    const text = compared([of(0, 'bob', B), of(1, 'ada', A), of('trusted', 'owner', A), of(2, 'cy', A)]);
    expect(text).toContain('data-a="ada, cy and your own worker" data-b="bob"');
    expect(markupOf(text).urls).toEqual([A, B].map((tree) => `/trees/${tree}/file?path=bin%2Fx`));
    expect(text).toContain('<code>quorate diff ffffffffff</code>');
  });

  it('is that of the first result and each other one, the further ones folded, all of a bounded number', () => {
    const trees = [A, A, B, C, treeCid('d'), treeCid('e')];
    const files = Array.from({ length: 9 }, (_, n) => `f${n}`);
    const text = compared(
      trees.map((tree, n) => of(n, `o${n}`, tree)),
      files,
    );
    const { differencesShownMax, differingFilesMax } = pageLimits;
    expect(text.match(/class="compare"/g)).toHaveLength(differencesShownMax);
    expect(text.match(/<details>/g)).toHaveLength(differencesShownMax - 1);
    expect(text.match(/<li>/g)).toHaveLength(differencesShownMax * differingFilesMax);
    const left = `${files.length - differingFilesMax} more files may differ, by the receipts`;
    expect(text.split(left)).toHaveLength(differencesShownMax + 1);
    const many = compared([...Array.from({ length: 40 }, (_, n) => of(n, `o${n}`, A)), of(40, 'bob', B)]);
    expect(many).toContain('data-a="o0, o1, o2, o3, o4 and 35 other operators"');
    expect(many).not.toContain('may differ');
  });

  it('is that of the reports of a test', () => {
    const text = compared([of(0, 'ada', 'exit 1', { reports: A }), of(1, 'bob', 'exit 1', { reports: B })]);
    expect(markupOf(text).urls[1]).toContain(`/trees/${B}/file`);
  });

  it.each<[string, object[], string[], string]>([
    ['modes', [of(0, 'ada', A), of(1, 'bob', B)], [], 'a mode, a link or a folder differs'],
    [
      'the exit status',
      [of(0, 'ada', A), of(1, 'bob', 'exit 1', { reports: A })],
      [],
      'how the builds ended',
    ],
    ['the lists of receipts', [of(0, 'ada', A), of(1, 'bob', A)], ['x'], 'other hashes in their receipts'],
  ])('says so where only %s differ', (_, results, files, says) => {
    const text = compared(results, files);
    expect([text.includes(says), text.includes('/trees/')]).toEqual([true, false]);
  });

  it('is not there where one result has files, or what was disputed is revoked, or there are no bytes', () => {
    const empty = '<section data-part id="difference"></section>';
    const results = [of(0, 'ada', A), of(1, 'bob', B)];
    const revoked = { what: 'operator', id: 'ada', since: 1, reason: '' };
    expect(compared([of(0, 'ada', A), of(1, 'bob', 'exit 1')], [])).toBe(empty);
    expect(compared(results, ['x'], { revoked })).toBe(empty);
    const history = [{ at: 1, progress: { kind: 'compared', results, files: ['x'], count: 1 } }];
    const summary = { run: 'f', state: 'done', level: 'disputed' };
    expect(String(differencePart({ summary, history } as never, false))).toBe(empty);
    expect(String(differencePart({ summary, history: [] } as never, true))).toBe(empty);
  });
});

describe('the bytes of a result', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await openStage();
  });
  afterAll(() => stage.close());
  let sites = 0;

  /** Answers of a page while a story goes on. */
  async function told(
    play: (story: Story, status: (tree: string) => Promise<number>, run: string) => Promise<void>,
  ) {
    const story = await Story.of(stage.store, six);
    const run = await story.publish('build', { policy: { rounds: 2 } });
    const site = await openSite(stage, `bytes-${++sites}`, { story, run });
    try {
      await play(
        story,
        async (tree) => (await fetch(new URL(`/trees/${tree}/file?path=x`, site.url))).status,
        run,
      );
    } finally {
      await site.close();
    }
  }

  it('are served once no further round can open, neither while it is sealed nor between rounds', async () => {
    await told(async (story, status, run) => {
      const tree = (x: string): Promise<{ artifact: string } & ReturnType<typeof exited>> =>
        story.tree({ x } satisfies Files) as never;
      const [a, b, c, own] = [await tree('a'), await tree('b'), await tree('c'), await tree('own')];
      const all = () => Promise.all([a, b, c, own].map(({ artifact }) => status(artifact)));
      const leases = await story.lease(run, 'alice', 'bob', 'carol');
      await story.deliver(leases, { alice: a, bob: b });
      expect(await all()).toEqual([404, 404, 404, 404]);
      await story.deliver(leases, { carol: c });
      // The round is revealed, and another one is open.
      expect([story.bench.facts(run).rounds.length, await all()]).toEqual([2, [404, 404, 404, 404]]);
      await story.build(run, { trusted: own });
      expect(await all()).toEqual([404, 404, 404, 404]);
      await story.build(run, { dave: a, erin: b, frank: failed });
      expect(story.bench.facts(run).phase.kind).toBe('done');
      expect(await all()).toEqual([200, 200, 200, 200]);
      expect(await status(treeCid('of no run'))).toBe(404);
    });
  });
});
