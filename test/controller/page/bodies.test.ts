import { html } from 'hono/html';
import { describe, expect, it } from 'vitest';
import { jobsOf } from '../../../src/controller/page/jobs.ts';
import { projectBody } from '../../../src/controller/page/project-page.ts';
import { type RunPageParts, runBody } from '../../../src/controller/page/run-page.ts';
import { defaultBranch } from '../../../src/protocol/account/index.ts';
import { A, B } from '../machine/bench.ts';

const textOf = async (html: unknown): Promise<string> => String(await html);
const count = (text: string, what: string | RegExp): number => text.split(what).length - 1;

const summary = {
  run: 'a'.repeat(64),
  job: 'b'.repeat(64),
  name: 'app',
  repo: 'https://git.example/app.git',
  ref: 'refs/heads/main',
  commit: 'c'.repeat(40),
  state: 'building',
  level: null,
  artifact: null,
  submittedAt: 0,
  round: 1,
  policy: { agree: 2, of: 3, cosign: true },
};

describe('the page of a project', () => {
  const trouble = {
    alarms: { count: 0, runs: [] },
    revoked: { count: 0, runs: [] },
    revocations: [],
    equivocations: [],
    fullKeys: [],
    full: null,
    declined: [],
  };
  interface Shown {
    open?: number;
    queue?: object[];
    branches?: object[];
    workers?: object[];
    trouble?: object;
    disputed?: number;
    pushes?: object[];
  }
  const branch = (over: object = {}) => ({
    ref: 'refs/heads/main',
    commit: 'c'.repeat(40),
    submittedAt: 0,
    jobs: [summary],
    publisher: '',
    ...over,
  });
  function shown({
    open = 0,
    queue = [],
    branches = [],
    workers = [],
    trouble: more = {},
    disputed = 0,
    pushes = [],
  }: Shown) {
    const view = {
      name: 'demo',
      project: 'p',
      branches: () => branches,
      queue: () => queue,
      defaultBranch: () => defaultBranch(branches as never),
      counts: () => ({ open, disputed }),
      workers: () => ({ shown: workers, count: workers.length }),
      pushes: () => ({ pushes, next: undefined }),
      trouble: () => ({ ...trouble, ...more }),
      policy: () => undefined,
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

  const ended = (over: object = {}) => ({ ...summary, state: 'done', level: 'trusted', ...over });

  it('says first how the default branch stands: main, else the one that was published last', async () => {
    const states = [
      branch({ ref: 'refs/heads/x', jobs: [ended()] }),
      branch({ jobs: [ended({ level: 'failed' })] }),
    ];
    const text = await shown({ branches: states });
    expect(text).toMatch(
      /<section data-part id="headline" class="state-of failed"><p class="says" role="status"/,
    );
    expect(text.indexOf('id="headline"')).toBeLessThan(text.indexOf('id="trouble"'));
    expect(await shown({ branches: states.slice(0, 1) })).toContain('id="headline" class="state-of trusted"');
    expect(text).not.toContain('Nothing was published yet');
    // From what is bad one click leads to the reason.
    expect(text).toContain(`<a href="/runs/${summary.run}">See why</a>`);
    expect(await shown({ branches: states.slice(0, 1) })).not.toContain('See why');
  });

  it('says that the log tells two stories above what it seems to say', async () => {
    const text = await shown({
      branches: [branch({ jobs: [ended()] })],
      trouble: { equivocations: ['two roots'] },
    });
    expect(text.indexOf('The log tells two stories.')).toBeGreaterThan(0);
    expect(text.indexOf('The log tells two stories.')).toBeLessThan(text.indexOf('id="headline"'));
  });

  it('has those branches first that need somebody, and folds all but twelve', async () => {
    const of = (name: string, over: object, at = 0) =>
      branch({ ref: `refs/heads/${name}`, jobs: [ended(over)], submittedAt: at });
    const some = [
      of('good', {}),
      of('old', { level: 'failed' }, 1),
      of('new', { level: 'failed' }, 2),
      of('open', { state: 'waiting', level: null }),
      of('bad', { level: 'disputed' }),
    ];
    const names = (text: string) =>
      [
        ...text.matchAll(/<td><span class="chip (\w+)">\1<\/span><\/td>\s*<th scope="row"><a[^>]*>(\w+)</g),
      ].map(([, , name]) => name);
    const text = await shown({ branches: some });
    expect(names(text)).toEqual(['bad', 'new', 'old', 'open', 'good']);
    expect(text).not.toMatch(/<summary>\d+ more/);
    const many = await shown({ branches: Array.from({ length: 14 }, (_, n) => of(`b${n}`, {})) });
    expect(many.split('<summary>2 more</summary>').map((part) => names(part).length)).toEqual([12, 2]);
  });

  it('has the latest ten pushes, each with its subject, author and jobs', async () => {
    const push = (over: object = {}) => ({ ...branch({ publisher: 'dora', jobs: [ended()] }), ...over });
    const item = async (over: object) => {
      const text = await shown({ branches: [branch()], pushes: [push(over)] });
      return /<ol class="pushes">(.*?)<\/ol>/s.exec(text)?.[1] ?? '';
    };
    const one = await item({ subject: 'Fix <b>', author: 'Dora & Co' });
    expect(one).toContain(`<a href="/runs/${summary.run}">Fix &lt;b&gt;</a>`);
    // The author is a text of the commit: told apart from the key that signed, and after it.
    expect(one).toMatch(
      /published by <strong>dora<\/strong>.*commit by <span class="claimed">Dora &amp; Co</s,
    );
    expect(one).not.toContain('class="jobs"');
    const jobs = [ended({ name: 'lib' }), ended({ name: 'app', level: 'failed', run: 'f' })];
    const two = await item({ jobs });
    expect(two).toMatch(/^<li><span class="chip failed">/);
    // Without the words of the commit: its jobs, and whoever published it.
    expect(two).toContain('<a href="/runs/f">2 jobs</a>');
    expect(await item({})).toContain(`<a href="/runs/${summary.run}">app</a></p>`);
    expect(two).toContain('published by <strong>dora</strong>');
    expect(two).not.toContain('commit by');
    expect(
      [...two.matchAll(/class="chip \w+" title="[^"]*" aria-label="([^"]*)"/g)].map(([, label]) => label),
    ).toEqual(['lib, trusted', 'app, failed']);
    const many = await shown({ branches: [branch()], pushes: Array.from({ length: 12 }, () => push()) });
    expect(count(many, '<li><span')).toBe(10);
  });

  it('counts the jobs of a large push by state, the worst first, and names those that are bad', async () => {
    const jobs = (many: number, over: object) =>
      Array.from({ length: many }, (_, n) => ended({ name: `j${n}`, ...over }));
    expect(await textOf(jobsOf(jobs(8, {}) as never))).not.toContain('jobs:');
    const text = await textOf(jobsOf([...jobs(38, {}), ...jobs(10, { level: 'failed' })] as never));
    expect(text).toContain(
      '48 jobs: <span class="chip failed">10 failed</span> <span class="chip trusted">38 trusted</span>',
    );
    expect([count(text, ', failed"'), count(text, ', trusted"'), text.includes('and 2 more')]).toEqual([
      8,
      0,
      true,
    ]);
  });

  it('has the next three steps, with their commands, where nothing was published', async () => {
    const text = await shown({});
    expect(text).toContain('Nothing was published yet');
    expect(
      [...text.matchAll(/<div class="command"><code tabindex="0">([^<]*)</g)].map(([, line]) => line),
    ).toEqual([
      'quorate invite alice bob carol',
      'quorate key',
      'quorate invite me --role trusted-worker --key KEY',
      'quorate run',
    ]);
    expect(text).not.toContain('id="branches"');
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
    expect([text.includes('No worker'), count(text, '<span class="chip building">2 builds</span>')]).toEqual([
      false,
      2,
    ]);
    const none = await shown({});
    expect([none.includes('No worker is connected.'), none.includes('aria-label="Workers"')]).toEqual([
      true,
      false,
    ]);
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
      ['in 2 runs somebody', 'app</a> of main · <a'],
    ],
    ['revoked runs', { revoked: { count: 3, runs: [] } }, ['3 runs no longer stand,']],
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
    expect([count(text, '</a> of '), text.includes('All disputed')]).toEqual([3, true]);
    expect(await shown({ trouble: { alarms } })).not.toContain('All disputed');
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
        project: 'p',
        bootstrap: [],
        hasBytes: false,
        logs: [],
        failures: [],
        sealed: false,
        files: undefined,
        verifyPath: undefined,
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

  const at = (history: object[]) =>
    ({
      summary,
      publisher: '',
      history: history.map((progress, n) => ({ at: n * 1000, progress })),
      over: false,
      pipeline: [],
    }) as never;
  const round = { kind: 'round', round: 1, agree: 2, of: 3 };

  it('leads from each build to its log, and says why those of a sealed round are not shown', async () => {
    const log = { lease: 'l', worker: 'w', operator: 'bob', slot: '0', delivered: false };
    const leased = { kind: 'leased', round: 1, slot: 0, operator: 'bob', worker: 'w' };
    const run = at([round, leased, { ...leased, slot: 1, worker: 'v' }]);
    const text = await of({}, { run, logs: [log, { ...log, slot: 'trusted', lease: 'm' }] });
    expect([...text.matchAll(/\/logs\/(\w)"/g)].map(([, lease]) => lease)).toEqual(['l']);
    expect(text).not.toContain('until it is revealed');
    expect(await of({}, { sealed: true })).toContain('until it is revealed');
  });

  it('says how long it took, once it is over until its end', async () => {
    expect(await of({})).not.toContain('took');
    expect(await of({ tookMs: 2000 })).toContain('<span>took 2.0 s</span>');
    expect(await of({ tookMs: 2000, doneMs: 5000 })).toContain('<span>took 5.0 s</span>');
  });

  it('says nothing twice: a step that the state itself tells of has the state alone', async () => {
    const open = { sealed: 0, building: ['ada'], connected: 1, eligible: 1, declined: [] };
    const text = await of({ open });
    expect(text).toContain('</span> by 1 operator: ada</p>');
    expect(text).toContain('aria-current="step"><strong>built</strong>being built</li>');
    const agreed = await of({ state: 'agreed', level: 'agreed', open: { ...open, trusted: 'free' } });
    expect(agreed).toContain('aria-current="step"><strong>trusted</strong>waiting for your own worker');
  });

  it('has where builds failed before what to do, and other ways in which they did folded', async () => {
    const failure = { step: { n: 2, of: 3, name: 'Test', line: 1 }, lines: ['a <b>', '\u001b[31mc'] };
    const one = { operators: ['ada', 'bob'], lease: 'l', result: 'exit 1', failure };
    const failed = { state: 'done', level: 'failed' };
    const text = await of(failed, { failures: [one as never] });
    expect(text).toContain('<strong>ada, bob: step 2 (Test), exit 1</strong>');
    expect(text).toMatch(/<pre>a &lt;b&gt;&#10;<span class="c1">c</);
    expect(text.indexOf('<pre')).toBeLessThan(text.indexOf('class="next"'));
    expect(text).not.toContain('other way');
    const two = await of(failed, { failures: [one, { ...one, failure: undefined }] as never });
    expect(two).toContain('<details><summary>1 other way in which it failed</summary>');
    expect(count(two, '<pre')).toBe(1);
  });

  it('of one that waits or fell names the jobs that it needs', async () => {
    const job = (run: string, level: string, needs: string[] = []) => ({
      run,
      name: `job ${run}`,
      state: 'done',
      level,
      needs: needs.map((one) => ({ name: one, run: one, level: 'agreed' })),
    });
    const pipeline = [
      job('lib', 'failed'),
      job('doc', 'trusted'),
      job(summary.run, 'trusted', ['lib', 'doc']),
    ];
    const run = (over: object) =>
      ({ summary: { ...summary, ...over }, publisher: '', history: [], over: false, pipeline }) as never;
    const needed = (text: string) => /<ul class="needed".*?<\/ul>/s.exec(text)?.[0] ?? '';
    const text = needed(await of({}, { run: run({ state: 'waiting', awaits: ['lib'] }) }));
    expect(text).toContain(
      '<span class="chip failed">failed</span> <a href="/runs/lib">job lib</a>: the build failed',
    );
    expect(text).not.toContain('/runs/doc');
    expect(needed(await of({}, { run: run({ state: 'done', level: 'trusted' }) }))).toBe('');
    const fellWith = { name: 'lib', run: 'f', how: 'was cancelled' };
    expect(await of({}, { run: run({ state: 'cancelled', fellWith }) })).toContain(
      'The job it needs: <a href="/runs/f">lib</a>',
    );
  });

  it('of one in dispute begins with the first file that differs', async () => {
    const differs = { kind: 'differs', round: 1, files: ['bin/x', 'y'], count: 3 };
    const shown = (state: object) =>
      of({}, { run: { ...(at([round, differs]) as object), summary: { ...summary, ...state } } as never });
    expect(await shown({ state: 'done', level: 'disputed' })).toContain(
      'First difference: <code>bin/x</code> <span class="quiet">and 2 more</span>',
    );
    expect(await shown({ state: 'done', level: 'trusted' })).not.toContain('First difference');
  });

  it('of operators that list different files for one tree says of none that it is the same', async () => {
    const results = ['ada', 'bob'].map((operator, slot) => ({ operator, worker: operator, slot, result: A }));
    const told = {
      kind: 'compared',
      round: 1,
      results: results.map((one) => ({ ...one, round: 1 })),
      files: ['x'],
      count: 1,
    };
    const text = await of({}, { run: at([round, { kind: 'revealed', round: 1, results }, told]) });
    expect(text).toContain('≠ same tree, other files listed');
    expect(text).not.toContain('✓ same');
    expect(await of({}, { run: at([round, { kind: 'revealed', round: 1, results }]) })).toContain('✓ same');
  });

  it('of operators that agree leaves out who lists other files for their tree, also beside another tree', async () => {
    const made = { ada: A, bob: A, eve: A, mal: B };
    const results = Object.entries(made).map(([operator, result], slot) => ({
      operator,
      worker: operator,
      slot,
      result,
    }));
    const revealed = { kind: 'revealed', round: 1, results };
    const differs = { kind: 'differs', round: 1, files: ['x'], count: 1 };
    const agreed = { kind: 'agreed', round: 1, artifact: A, by: ['ada', 'bob'] };
    const groups = async (...told: object[]) =>
      [
        ...(await of({}, { run: at([round, revealed, differs, ...told]) })).matchAll(
          /<th scope="rowgroup" colspan="4">(.*?) <span class="quiet">(\d)/g,
        ),
      ].map(([, says, count]) => `${count} ${says}`);
    expect(await groups(agreed)).toEqual([
      ...['2 ✓ same', '1 ≠ same tree, other files listed', '1 ✗ differs'],
    ]);
    // As many as have to agree have the tree, and did not.
    const apart = ['3 ≠ same tree, other files listed', '1 ✗ differs'];
    expect(await groups()).toEqual(apart);
    const contradicted = { kind: 'contradicted', round: 1, artifact: A, trusted: null };
    const against = ['2 ≠ not as the trusted worker', '1 ≠ same tree, other files listed', '1 ✗ differs'];
    expect(await groups(agreed, contradicted)).toEqual(against);
    const own = { operator: 'ada', worker: 'own', slot: 'trusted', round: 1, result: A };
    const builds = results.map((one) => ({ ...one, round: 1 }));
    const compared = { kind: 'compared', results: [...builds, own], files: ['x'], count: 1 };
    const told = [round, revealed, differs, agreed, contradicted, compared];
    expect(await of({}, { run: at(told) })).toContain(
      '≠ same tree, other files listed <span class="quiet">1 operator and the trusted worker</span>',
    );
  });

  it('of fewer operators than have to agree on a tree, beside another one, says how many of how many have it', async () => {
    const three = { ...round, agree: 3, of: 5 };
    const shown = async (trees: string[], ...told: object[]) => {
      const results = trees.map((result, slot) => ({ operator: `o${slot}`, worker: 'w', slot, result }));
      const text = await of({}, { run: at([three, { kind: 'revealed', round: 1, results }, ...told]) });
      return [...text.matchAll(/colspan="4">(.*?) <span/g)].map(([, says]) => says);
    };
    const differs = { kind: 'differs', round: 1, files: ['x'], count: 1 };
    const some = ['same tree at 2 of the 3 that have to agree', '✗ differs'];
    expect(await shown([A, A, B], differs)).toEqual(some);
    expect(await shown([A, A, B])).toEqual(some);
    expect(await shown([A, A])).toEqual(['✓ same']);
    expect(await shown(['no outputs', 'no outputs', B])).toEqual(['✓ same', '✗ differs']);
    const agreed = { kind: 'agreed', round: 1, artifact: A, by: ['o0', 'o1'] };
    expect(await shown([A, A, B], differs, agreed)).toEqual(['✓ same', '✗ differs']);
  });

  it('of operators that the trusted worker contradicts marks none as the same', async () => {
    const results = ['ada', 'bob'].map((operator, slot) => ({ operator, worker: operator, slot, result: A }));
    const own = { operator: 'me', worker: 'm', slot: 'trusted', result: 'exit 0' };
    const told = (...of: object[]) => ({ kind: 'compared', files: [], count: 0, results: of });
    const compared = (...of: (typeof own | (typeof results)[number])[]) =>
      of.map((one) => ({ ...one, round: 1 }));
    const shown = (trusted: typeof own) =>
      of({}, { run: at([round, told(...compared(...results, trusted))]) });
    const against = await shown(own);
    expect([against.includes('≠ not as the trusted worker'), against.includes('✓ same')]).toEqual([
      true,
      false,
    ]);
    expect(await shown({ ...own, result: A })).toContain('✓ same');
  });

  it('of what was revoked has nothing to download', async () => {
    const revoked = { what: 'artifact', id: 'x', since: 1, reason: 'bad' };
    const text = await of(
      { artifact: A, state: 'done', level: 'trusted', revoked },
      { files: html`<a href="/trees/x.tar">tar</a>` },
    );
    expect(text).not.toMatch(/quorate fetch|\/trees\//);
    expect(text).toContain('was revoked from leaf 1 of the log on: bad');
  });

  it('draws a pipeline of jobs that need others, and names those that do not', async () => {
    const job = (run: string, ...needs: string[]) => ({
      run,
      name: run,
      state: 'building',
      level: null,
      needs: needs.map((one) => ({ name: one, run: one, level: 'agreed' })),
    });
    const run = (pipeline: object[]) => ({
      run: { summary, publisher: '', history: [], over: false, pipeline } as never,
    });
    expect(await of({}, run([job('x')]))).not.toMatch(/<svg|class="jobs"/);
    const alone = await of({}, run([job('x'), job('y')]));
    expect([alone.includes('<svg'), count(alone, 'aria-label="x, building"')]).toEqual([false, 1]);
    // Without the name of the operator that published it.
    expect(alone).not.toContain(' UTC</time> by ');
    expect(await of()).toContain(' UTC</time> by ada');
    const drawn = await of({}, run([job('x'), job('y', 'x'), job('z')]));
    expect([
      count(drawn, '<rect'),
      count(drawn, '>z</text>'),
      drawn.includes('aria-label="z, building"'),
    ]).toEqual([2, 0, true]);
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
    const verify = `/verify#project=p&amp;run=${'a'.repeat(64)}&amp;artifact=${A}`;
    expect(trusted).toContain(`<a href="${verify}">verifying in your browser</a>`);
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
    expect(text).toContain('witnesses have to sign the log');
    expect(await of()).not.toContain('Job file');
  });
  it('has the results of a test as a table of the cases that failed', async () => {
    const says = '<b>\u202eno\nsecond line';
    const tests = {
      total: 7,
      failed: 2,
      skipped: 1,
      ms: 1_500,
      failures: [{ suite: 's', name: '<i>', says }],
    };
    const text = await of({}, { tests: { ...tests, partial: true } });
    expect(text).toContain(
      '7 cases: 2 failed, 1 skipped, 1.5 s; some files were too many or too large to read.',
    );
    expect(text).toContain('&lt;i&gt; <span class="quiet">s</span>');
    expect(text).toContain('&lt;b&gt;\\u202eno</td>');
    expect(text).not.toContain('second line');
    expect(text).toContain('and 1 more');
    const passed = await of(
      {},
      { tests: { total: 1, failed: 0, skipped: 0, ms: 0, failures: [], partial: false } },
    );
    expect(passed).toContain('1 case: none failed.');
    expect(passed).not.toContain('Cases that failed');
  });
});
