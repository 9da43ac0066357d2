import { describe, expect, it } from 'vitest';
import { projectBody } from '../../../src/controller/page/project-page.ts';
import { type RunPageParts, runBody } from '../../../src/controller/page/run-page.ts';
import { A, B } from '../machine/bench.ts';

const textOf = async (html: unknown): Promise<string> => String(await html);
const count = (text: string, what: string | RegExp): number => text.split(what).length - 1;

const summary = {
  ...{ run: 'a'.repeat(64), job: 'b'.repeat(64), name: 'app', repo: 'https://git.example/app.git' },
  ...{ ref: 'refs/heads/main', commit: 'c'.repeat(40), state: 'building', level: null, artifact: null },
  ...{ submittedAt: 0, round: 1, policy: { agree: 2, of: 3, cosign: true } },
};

describe('the page of a project', () => {
  const trouble = {
    ...{ alarms: { count: 0, runs: [] }, revoked: { count: 0, runs: [] }, revocations: [] },
    ...{ equivocations: [], fullKeys: [], full: null, declined: [] },
  };
  interface Shown {
    open?: number;
    queue?: object[];
    jobs?: number;
    workers?: object[];
    trouble?: object;
    disputed?: number;
    runs?: number;
  }
  function shown({
    open = 0,
    queue = [],
    jobs,
    workers = [],
    trouble: more = {},
    disputed = 0,
    runs = 0,
  }: Shown) {
    const branches =
      jobs === undefined
        ? []
        : [
            {
              ref: 'refs/heads/main',
              commit: 'c'.repeat(40),
              submittedAt: 0,
              jobs: Array.from({ length: jobs }, () => summary),
            },
          ];
    const view = {
      ...{ name: 'demo', project: 'p', branches: () => branches, queue: () => queue },
      counts: () => ({ open, disputed }),
      workers: () => ({ shown: workers, count: workers.length }),
      runs: () => ({ runs: Array.from({ length: runs }, () => summary), next: undefined }),
      trouble: () => ({ ...trouble, ...more }),
    };
    return textOf(projectBody(view as never, branches as never));
  }

  it('has the first twenty runs that are open, and leads to all where there are more', async () => {
    const one = { summary, building: ['ada', 'bob'] };
    const twenty = await shown({ open: 20, queue: Array.from({ length: 20 }, () => one) });
    expect([count(twenty, 'built by ada, bob'), twenty.includes('state=open')]).toEqual([20, false]);
    const more = await shown({
      open: 21,
      queue: Array.from({ length: 21 }, () => ({ summary, building: [] })),
    });
    expect([
      more.includes('href="/runs?state=open">All 21<'),
      count(more, '<span class="quiet">main</span>'),
    ]).toEqual([true, 20]);
    expect(more).not.toMatch(/built by|No run is open/);
    expect(await shown({})).toContain('No run is open.');
  });

  it('has twelve jobs of a branch, and how many more there are', async () => {
    const twelve = await shown({ jobs: 12 });
    expect([count(twelve, /class="chip building" title/), twelve.includes(' more</span>')]).toEqual([
      12,
      false,
    ]);
    const more = await shown({ jobs: 14 });
    expect([count(more, /class="chip building" title/), more.includes('and 2 more</span>')]).toEqual([
      12,
      true,
    ]);
    expect(await shown({ jobs: 0 })).not.toContain('class="chip');
    expect(more).not.toContain('Nothing was published yet.');
  });

  it('has the latest fifteen runs', async () => {
    expect(count(await shown({ runs: 20 }), '<td class="narrow"><code>cccccccccc</code>')).toBe(15);
  });

  it('has who is connected, and which of them are older', async () => {
    const worker = {
      operator: 'ada',
      trusted: false,
      id: 'abcdef',
      arch: 'x86_64',
      tiers: ['vm', 'gvisor'],
      builds: 2,
      behind: null,
    };
    const text = await shown({
      workers: [worker, { ...worker, operator: 'own', trusted: true, behind: 'is older' }],
    });
    expect([
      count(text, 'x86_64 vm, gvisor'),
      count(text, 'own <span class="chip trusted">trusted'),
      count(text, 'It is older.'),
    ]).toEqual([2, 1, 1]);
    expect([text.includes('No worker'), text.includes('class="none"')]).toEqual([false, false]);
    const none = await shown({});
    expect([none.includes('No worker is connected.'), none.includes('class="none"')]).toEqual([true, true]);
  });

  it('has nothing in its place for trouble where there is none', async () => {
    expect(await shown({})).toContain('<section data-part id="trouble" aria-label="Trouble"></section>');
  });

  it.each<[string, object, string[]]>([
    [
      'a full controller',
      { full: '7 were refused' },
      ['No more members can connect:</strong> 7 were refused.'],
    ],
    [
      'alarms',
      { alarms: { count: 2, runs: [summary, summary, summary, summary] } },
      ['in 2 runs somebody', `${'app</a> main · '.repeat(1)}`],
    ],
    ['revoked runs', { revoked: { count: 3, runs: [] } }, ['3 do not stand any more,']],
    [
      'revocations',
      { revocations: [{ what: 'key', id: 'k', since: 4, reason: 'lost' }] },
      ['from leaf 4 on: lost'],
    ],
    ['who declines', { declined: [{ operator: 'ada', reason: 'no room' }] }, ['<li>ada: no room</li>']],
  ])('tells of %s', async (_, more, says) => {
    const text = await shown({ trouble: more });
    for (const part of says) expect(text).toContain(part);
    expect(count(text, 'class="notice')).toBe(1);
  });

  it('leads from alarms to disputed runs where there are any', async () => {
    const alarms = { count: 4, runs: [summary, summary, summary, summary] };
    const text = await shown({ trouble: { alarms }, disputed: 4 });
    expect([count(text, ' · '), text.includes('all disputed')]).toEqual([3, true]);
    expect(await shown({ trouble: { alarms } })).not.toContain('all disputed');
  });
});

describe('the page of a run', () => {
  const of = (over: object = {}, more: Partial<RunPageParts> = {}, publisher = 'ada') =>
    textOf(
      runBody({
        run: {
          summary: { ...summary, ...over },
          publisher,
          history: [],
          over: false,
          pipeline: [],
        } as never,
        ...{
          project: 'p',
          bootstrap: [],
          logs: [],
          failures: [],
          sealed: false,
          files: undefined,
          verifyPath: undefined,
        },
        ...more,
      }),
    );
  const ladder = (text: string) =>
    [...text.matchAll(/<li class="(reached|now|ahead)"/g)].map(([, step]) => step);

  it.each<[object, string[]]>([
    [{}, ['now', 'ahead', 'ahead']],
    [{ tally: { ended: 0, failed: 0, same: 0 } }, ['now', 'ahead', 'ahead']],
    [{ tally: { ended: 1, failed: 0, same: 1 } }, ['reached', 'now', 'ahead']],
    [{ earlier: 'e'.repeat(64) }, ['reached', 'now', 'ahead']],
    [{ state: 'agreed', level: 'agreed' }, ['reached', 'reached', 'now']],
    [{ state: 'done', level: 'trusted' }, ['reached', 'reached', 'reached']],
    [{ state: 'cancelled' }, []],
  ])('with %j has the steps %j', async (over, steps) => {
    expect(ladder(await of(over))).toEqual(steps);
  });

  it('says which slot each log is of', async () => {
    const log = { lease: 'l', worker: 'w', operator: 'bob', slot: '0', delivered: false };
    const text = await of({}, { logs: [log, { ...log, slot: 'trusted', delivered: true }] });
    expect(text).toContain('<span class="quiet">slot 1, running</span>');
    expect(text).toContain('<span class="quiet">trusted worker</span>');
    expect(text).not.toContain('None yet.');
    expect(await of()).toContain('None yet.');
    const sealed = await of({}, { sealed: true });
    expect([sealed.includes('None yet.'), sealed.includes('until it is revealed')]).toEqual([false, true]);
  });

  it('draws a pipeline of two jobs, and none of one', async () => {
    const job = (run: string) => ({ run, name: run, state: 'building', level: null, needs: [] });
    const run = (pipeline: object[]) => ({
      run: {
        summary,
        publisher: '',
        history: [],
        over: false,
        pipeline,
      } as never,
    });
    expect(await of({}, run([job('x')]))).not.toContain('<svg');
    const two = await of({}, run([job('x'), job('y')]));
    expect(two).toContain('<svg');
    // Without the name of the operator that published it.
    expect(two).not.toContain(' UTC</time> by ');
    expect(await of()).toContain(' UTC</time> by ada');
  });

  it('says how to fetch an artifact, or reports alone', async () => {
    const none = await of();
    expect(none).toContain('<section data-part id="artifact"></section>');
    const trusted = await of(
      { artifact: A, state: 'done', level: 'trusted' },
      { bootstrap: ["/dns4/o'x"], verifyPath: '/verify' },
    );
    expect(trusted).toContain('<h2>Artifact</h2>');
    expect(trusted).toContain(
      `quorate fetch ${A} -o app --bundle-out app.bundle --project p --bootstrap &#39;/dns4/o&#39;\\&#39;&#39;x&#39;`,
    );
    expect(trusted).toContain('<a href="/verify">verifying in your browser</a>');
    expect(trusted).not.toContain('They refuse an artifact until it is trusted.');
    const agreed = await of({ artifact: A, state: 'agreed', level: 'agreed' });
    expect([
      agreed.includes('They refuse an artifact until it is trusted.'),
      agreed.includes('/verify'),
    ]).toEqual([true, false]);
    const reports = await of({ artifact: null, reports: B, state: 'done', level: 'failed', test: true });
    expect(reports).toContain('<h2>Reports</h2>');
    expect(reports).toContain(`quorate fetch ${summary.run} --reports -o app --project p`);
    expect(reports).toContain('<span class="quiet">test</span>');
  });

  it('says where the job file is, and without a co-signature so', async () => {
    const recipe = { repo: 'https://git.example/r', commit: 'd'.repeat(40), path: 'a/q.yaml', sha256: 'e' };
    const text = await of({ recipe, policy: { agree: 1, of: 1, cosign: false } });
    expect(text).toContain('<code>a/q.yaml</code> of <a href="https://git.example/r"');
    expect(text).toContain('1 of 1 operators agree, without a co-signature');
    expect(text).toContain('witnesses signed the log');
    expect(await of()).not.toContain('Job file');
  });
});
