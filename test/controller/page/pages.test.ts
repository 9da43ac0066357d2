import { describe, expect, it, onTestFinished } from 'vitest';
import { exited, jobNamed, treeCid } from '../../../simulations/paperwork.ts';
import { projectView } from '../../../src/controller/node/project-view.ts';
import { statusOf } from '../../../src/controller/node/status.ts';
import { pageApp } from '../../../src/controller/page/page-app.ts';
import { Live } from '../../../src/http/kit/live.ts';
import { wholeApp } from '../../../src/http/listen.ts';
import { leastPrice, prices } from '../../../src/http/prices.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { again, build } from '../machine/asked-again.ts';
import {
  A,
  B,
  type Bench,
  built,
  deliverAll,
  failed,
  leasedRound,
  other,
  projectOf,
  timings,
} from '../machine/bench.ts';
import { answer } from '../machine/evidence.ts';
import { agree, lease as leaseRound, publish, trustedBuilds } from '../machine/pipelines.ts';
import { sealedRound } from './rounds.ts';
import { siteOf } from './support.ts';

describe('the page of a project', () => {
  it('says what to do where nothing was published yet', async () => {
    const { get } = await siteOf(await projectOf());
    const { status, text, headers } = await get('/');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/html; charset=UTF-8');
    expect(text).toContain('Nothing was published yet');
  });

  it('has branches with the worst level of their last commit, the queue, and who is there', async () => {
    const { bench, run, leases, trusted } = await leasedRound({ ref: 'refs/heads/main' });
    const { get } = await siteOf(bench);
    const open = (await get('/')).text;
    expect(open).toMatch(/built by ada, bob, cy|built by .*ada/);
    expect(open).toContain('>main</a>');
    await deliverAll(bench, leases, [built, built, built]);
    bench.pinned(run);
    await bench.deliver('trusted', trusted, built);
    bench.cosign(run);
    const { text } = await get('/');
    expect(text).toMatch(
      /<td><span class="chip trusted">trusted<\/span><\/td>\s*<th scope="row"><a href="\/runs\?ref=refs%2Fheads%2Fmain">main<\/a><\/th>/,
    );
    expect(text).toContain('No run is open.');
    expect(text).toMatch(/x86_64 (?:namespace|gvisor|vm)/);
    // Where a worker is, and how large its host, is its own business.
    expect(text).not.toMatch(/memory|cpus|\/ip4\//);
  });

  it('costs as much as there are jobs of the newest branches and tags, as following it does', async () => {
    const { bench } = await leasedRound();
    const { state } = bench.controller;
    const ports = { addresses: () => [], equivocations: () => [] };
    const view = projectView({ project: 'p', name: 'demo', state, ...ports });
    const [branch] = view.branches();
    const jobs = Array.from({ length: 800 }, () => branch?.jobs[0] as never);
    const live = new Live();
    onTestFinished(() => live.close());
    const large = {
      ...view,
      branches: () => [{ ref: 'x', commit: 'c', publisher: 'p', submittedAt: 0, jobs }],
    };
    const app = wholeApp(pageApp({ view: large, live }));
    let paid = 0;
    const pay = (price: number) => {
      paid += price;
    };
    const env = { account: { pay, sent: () => 0, isWaiting: false } };
    for (let n = 0; n < 2; n++) await app.request('/', {}, env);
    expect(paid).toBe(2);
    await app.request('/events', {}, env);
    expect(paid).toBe(2 + (prices['GET /events'] ?? 0) - leastPrice + 2);
  });

  it('tells of disputes, revocations and a log that tells two stories', async () => {
    const { bench, run } = await disputed();
    await bench.revoke({ kind: 'operator', id: 'ada' }, { reason: 'lost laptop' });
    const { get } = await siteOf(bench, { equivocations: ['two roots for size 7'] });
    const { text } = await get('/');
    expect(text).toContain('Alarm: in 1 run somebody built something else.');
    expect(text).toContain(`/runs/${run}`);
    expect(text).toContain('lost laptop');
    expect(text).toContain('two roots for size 7');
  });
});

describe('a key that revokes all it can', () => {
  it('is named on the page of the project, and in the status of its controller, until it is ended', async () => {
    const { bench } = await leasedRound();
    for (let n = 0; n < limits.revocationsMax; n++)
      await bench.revoke({ kind: 'job', id: A }, { reason: `n ${n}` });
    const { get } = await siteOf(bench);
    const says = async () => {
      const { state } = bench.controller;
      const { fullKeys } = statusOf(state, { project: 'p', stopsBy: null, running: true });
      return [(await get('/')).text.includes('A key has signed all it may'), fullKeys];
    };
    expect(await says()).toEqual([true, [bench.id('idp')]]);
    await bench.revoke({ kind: 'key', id: bench.id('idp') }, { as: 'root' });
    expect(await says()).toEqual([false, []]);
  });
});

async function disputed() {
  const round = await leasedRound({ policy: { rounds: 1, agree: 3 } });
  await deliverAll(round.bench, round.leases, [built, other, built]);
  await round.bench.deliver('trusted', round.trusted, built);
  round.bench.drive(timings.windowMs + timings.slotFillMs);
  expect(round.bench.result(round.run)).toMatchObject({ level: 'disputed', ending: 'results-differ' });
  return round;
}

describe('the list of runs', () => {
  it('is filtered by ref, job and state, and paged', async () => {
    const bench = await projectOf('ada');
    for (let n = 0; n < 60; n++)
      await bench.submit({
        name: n % 2 === 0 ? 'lib' : 'app',
        ref: `refs/heads/${n < 55 ? 'main' : 'topic'}`,
        jti: String(n).padStart(32, '0'),
      });
    const { get } = await siteOf(bench);
    const first = (await get('/runs?state=open')).text;
    const next = /href="(\/runs\?state=open&amp;before=\d+)"/.exec(first)?.[1] ?? '';
    expect(first.match(/<tr>/g)).toHaveLength(51);
    expect((await get(next.replace('&amp;', '&'))).text.match(/<tr>/g)).toHaveLength(11);
    for (const ref of ['refs%2Fheads%2Ftopic', 'topic']) {
      const topic = (await get(`/runs?ref=${ref}&job=app&state=open`)).text;
      expect(topic.match(/<tr>/g)).toHaveLength(4);
      expect(topic).toContain('name="ref" value="topic"');
    }
    expect((await get('/runs?ref=topi')).text).toContain('None.');
    // Of no one job or state: pushes.
    const pushes = (await get('/runs')).text;
    const older = /href="(\/runs\?before=\d+)"/.exec(pushes)?.[1] ?? '';
    expect(pushes.match(/<li><span class="chip/g)?.length).toBeGreaterThan(1);
    expect((await get(older)).text).toContain('<ol class="pushes">');
    expect((await get('/runs?state=trusted')).text).toContain('None.');
    expect((await get('/runs?state=nonsense')).status).toBe(404);
  });
});

describe('the page of a run', () => {
  it('shows who agreed, how far it came, and how to fetch and verify it', async () => {
    const { bench, run, leases, trusted } = await leasedRound();
    await deliverAll(bench, leases, [built, built, other]);
    bench.pinned(run);
    const { get } = await siteOf(bench);
    const agreed = (await get(`/runs/${run}`)).text;
    expect(agreed).toContain('<span class="chip agreed">agreed</span>');
    expect(agreed).toMatch(/class="now" aria-current="step"><strong>trusted/);
    expect(agreed).toMatch(
      /✓ same <span class="quiet">2 operators<.*✗ differs <span class="quiet">1 operator</s,
    );
    expect(agreed).toContain(`quorate diff ${A} ${B}`);
    await bench.deliver('trusted', trusted, built);
    bench.cosign(run);
    const { text } = await get(`/runs/${run}`);
    expect(text).toMatch(/class="reached"><strong>✓ trusted/);
    expect(text).toContain('✓ same <span class="quiet">2 operators and the trusted worker</span>');
    expect(text.match(/trusted worker, signed/g)).toHaveLength(1);
    expect(text).toContain(
      `quorate fetch ${A} -o app --bundle-out app.bundle --project ${bench.paper.root.id} --bootstrap /ip4/192.0.2.7`,
    );
    expect(text).toContain('quorate verify app --bundle app.bundle');
    // A final run needs no live connection.
    expect(agreed).toContain('data-live=');
    expect(text).not.toContain('data-live=');
  });

  it('says why it is disputed, and what to do', async () => {
    const { bench, run } = await disputed();
    const { text } = await (await siteOf(bench)).get(`/runs/${run}`);
    expect(text).toContain('<span class="chip disputed">disputed</span> operators came to different results');
    expect(text).toContain('quorate try --vary');
    expect(text).not.toContain('class="ladder"');
  });

  it('calls nothing the same that one operator alone came to, and nothing that failed', async () => {
    const round = await leasedRound({ policy: { rounds: 1, agree: 2, cosign: 'none' } });
    const third = exited(treeCid('artifact c'));
    await deliverAll(round.bench, round.leases, [built, other, third]);
    const { text } = await (await siteOf(round.bench)).get(`/runs/${round.run}`);
    expect([text.match(/✓/g), text.match(/✗ differs/g)?.length]).toEqual([null, 3]);
    const tests = await leasedRound({ kind: 'test', policy: { cosign: 'none' } });
    await deliverAll(tests.bench, tests.leases, [failed, failed, failed]);
    expect(tests.bench.result(tests.run).level).toBe('failed');
    const page = (await (await siteOf(tests.bench)).get(`/runs/${tests.run}`)).text;
    expect([page.match(/✓/g), page.includes('✗ failed <span class="quiet">3 operators')]).toEqual([
      null,
      true,
    ]);
    expect(page).toContain('<span class="chip failed">failed</span> the test failed at 3 operators');
  });

  it('says of no build that it goes on once the run is over', async () => {
    const shown = async ({ bench, run }: { bench: Bench; run: string }) => {
      const { text } = await (await siteOf(bench)).get(`/runs/${run}`);
      expect(text).not.toContain('until it is revealed');
      const table = /<table class="list agreement".*?<\/table>/s.exec(text)?.[0] ?? '';
      expect(table).not.toMatch(/>building|done, sealed/);
      return table;
    };
    const groups = (table: string) =>
      [...table.matchAll(/colspan="4">([^<]*) <span class="quiet">([^<]*)</g)].map(
        ([, says, whom]) => `${says}: ${whom}`,
      );
    const cancelled = await leasedRound();
    await cancelled.bench.deliver('ada', cancelled.leases.get('ada'), built);
    const by = cancelled.bench.id('publisher');
    cancelled.bench.send({ kind: 'cancel', token: 'c', which: cancelled.run, by, reason: 'x' });
    const ended = await shown(cancelled);
    expect(groups(ended)).toEqual([
      'done, cancelled: 1 operator',
      'cancelled: 2 operators and the trusted worker',
    ]);

    // The trusted worker and one operator come to the limit, which ends the others.
    const aborted = await leasedRound();
    const limit = { name: 'files', max: limits.outputFilesDefault };
    const many = { kind: 'aborted', reason: 'outputs', detail: 'too many' } as const;
    await aborted.bench.deliver('trusted', aborted.trusted, many, { limit });
    await aborted.bench.deliver('ada', aborted.leases.get('ada'), many, { limit });
    expect(aborted.bench.result(aborted.run).ending).toBe('aborted');
    const atLimit = await shown(aborted);
    expect(groups(atLimit)).toEqual([
      '✗ aborted: 1 operator',
      'not finished, ended with it: 2 operators',
      'lost: the trusted worker',
    ]);

    const bad = await leasedRound();
    await deliverAll(bad.bench, bad.leases, [failed, failed, failed]);
    await bad.bench.deliver('trusted', bad.trusted, failed);
    bad.bench.cosign(bad.run);
    const table = await shown(bad);
    expect(groups(table)).toEqual(['✗ failed: 3 operators and the trusted worker']);
    expect(table.match(/trusted worker, signed/g)).toHaveLength(1);

    const unfinished = await leasedRound({ policy: { rounds: 1, agree: 3 } });
    await unfinished.bench.deliver('trusted', unfinished.trusted, built);
    for (const key of ['ada', 'bob']) await unfinished.bench.deliver(key, unfinished.leases.get(key), built);
    unfinished.bench.send({ kind: 'silent', lease: unfinished.leases.get('cy')?.id ?? '' });
    unfinished.bench.drive(timings.windowMs + timings.slotFillMs);
    expect(unfinished.bench.result(unfinished.run).level).toBe('unfinished');
    expect(groups(await shown(unfinished))).toEqual([
      '✓ same: 2 operators and the trusted worker',
      'lost: 1 operator',
    ]);
  });

  it('has the build of the trusted worker with the round that it signs for', async () => {
    const bench = await projectOf('ada', 'bob', 'cy', 'dan', 'eve', 'fay');
    const run = await publish(bench, 'app');
    await trustedBuilds(bench, run, built);
    const each = [built, other, exited(treeCid('artifact c'))];
    for (const [at, [key, lease]] of (await leaseRound(bench, run, 'ada', 'bob', 'cy')).entries())
      await bench.deliver(key, lease, each[at]);
    const { get } = await siteOf(bench);
    const open = (await get(`/runs/${run}`)).text;
    expect([open.match(/>trusted worker<\/span><\/th>/g)?.length, open.includes('done, sealed')]).toEqual([
      1,
      true,
    ]);
    await agree(bench, run, built, ['dan', 'eve', 'fay']);
    bench.cosign(run);
    const { text } = await get(`/runs/${run}`);
    const [last = ''] = text.split('Round 1: ');
    const [later = ''] = text.split('Round 1: ');
    expect(later).toContain('✓ same <span class="quiet">3 operators and the trusted worker</span>');
    expect(text.match(/trusted worker, signed/g)).toHaveLength(1);
    expect(last).not.toContain('class="pending"');
  });

  it('compares what differs with the result that the other screens compare with', async () => {
    const round = await leasedRound({ policy: { rounds: 1, agree: 2, cosign: 'none' } });
    // In the order of their names cy is the last one.
    for (const [key, outcome] of [
      ['cy', built],
      ['bob', other],
      ['ada', exited(treeCid('artifact c'))],
    ] as const)
      await round.bench.deliver(key, round.leases.get(key), outcome);
    const { text } = await (await siteOf(round.bench)).get(`/runs/${round.run}`);
    expect(text.match(/quorate diff \w+ \w+/g)).toEqual([
      `quorate diff ${A} ${B}`,
      `quorate diff ${A} ${treeCid('artifact c')}`,
    ]);
  });

  it('compares with what operators came to, also where the trusted worker came to something else first', async () => {
    const { bench, run, leases, trusted } = await leasedRound({ policy: { rounds: 1 } });
    await bench.deliver('trusted', trusted, other);
    await bench.deliver('cy', leases.get('cy'), other);
    for (const key of ['ada', 'bob']) await bench.deliver(key, leases.get(key), built);
    bench.pinned(run);
    expect(bench.result(run).level).toBe('disputed');
    const { text } = await (await siteOf(bench)).get(`/runs/${run}`);
    expect(text.match(/quorate diff \w+ \w+/g)).toEqual([`quorate diff ${A} ${B}`]);
  });

  it('and of the one before it say that it was built again to something else', async () => {
    const { bench, before, run } = await again({}, { rebuild: true });
    await build(bench, run, { outcome: exited(B) });
    const { get } = await siteOf(bench);
    for (const one of [before, run]) {
      const { text } = await get(`/runs/${one}`);
      expect(text).toContain('<span class="chip differs">differs</span>');
      expect(text).toContain(`quorate diff ${A} ${B}`);
    }
    expect((await get('/')).text.match(/chip differs/g)?.length).toBeGreaterThanOrEqual(2);
    expect((await get('/')).text).toContain('Alarm: in 1 run somebody built something else.');
  });

  it('says of a run that was cancelled after it was agreed on that it was cancelled', async () => {
    const { bench, run, leases } = await leasedRound();
    await deliverAll(bench, leases, [built, built, built]);
    bench.pinned(run);
    bench.send({ kind: 'cancel', token: 'c', which: run, by: bench.id('publisher'), reason: 'wrong branch' });
    const { get } = await siteOf(bench);
    for (const path of ['/runs', `/runs/${run}`]) {
      const { text } = await get(path);
      expect(text).toContain('<span class="chip cancelled">cancelled</span>');
      expect(text).not.toContain('chip agreed');
    }
  });

  it('says that nothing was built where nobody built', async () => {
    const bench = await projectOf('ada');
    const run = await bench.submit({ policy: { rounds: 1 } });
    const { get } = await siteOf(bench);
    const waits = (await get(`/runs/${run}`)).text;
    expect(waits).toContain('<span class="chip waiting">waiting</span> for ada to answer the offer');
    expect(waits).toMatch(/class="now" aria-current="step"><strong>built<\/strong>waiting</);
    bench.drive(timings.windowMs + timings.slotFillMs);
    const ended = (await get(`/runs/${run}`)).text;
    expect(ended).toContain('<span class="chip unfinished">unfinished</span> no operator built it');
    expect(ended).not.toContain('was built');
  });

  it('draws the pipeline, each job in the column after what it needs', async () => {
    const bench = await projectOf('ada');
    const lib = await publish(bench, 'lib');
    const app = await publish(bench, 'app', { needs: { lib: [lib] } });
    const { get } = await siteOf(bench);
    const { text } = await get(`/runs/${app}`);
    expect(text).toContain('aria-label="app, waiting, needs lib"');
    const x = (name: string) => Number(new RegExp(`<text x="(\\d+)" y="\\d+">${name}<`).exec(text)?.[1]);
    expect(x('app')).toBeGreaterThan(x('lib') + 100);
    expect(text.match(/class="edge"/g)).toHaveLength(1);
  });

  it('of a job that was built before leads to the run that was', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const job = { source: jobNamed('app').job.source, image: treeCid('an image') };
    const first = await bench.submit({ job });
    await agree(bench, first, built);
    await trustedBuilds(bench, first, built);
    bench.cosign(first);
    bench.store(first);
    const again = await bench.submit({ job, jti: 'a'.repeat(32) });
    await answer(bench, again);
    const { text } = await (await siteOf(bench)).get(`/runs/${again}`);
    expect(text).toContain(`It was not built: the same job was, for <a href="/runs/${first}">`);
    expect(text).toContain('<span class="chip trusted">trusted</span>');
  });

  it('is found by the start of an id, and nothing else is a run', async () => {
    const { bench, run } = await leasedRound();
    const { get } = await siteOf(bench);
    const short = await get(`/runs/${run.slice(0, 10)}`);
    expect([short.status, short.headers.get('location')]).toEqual([302, `/runs/${run}`]);
    for (const path of ['/runs/12345678', '/runs/abc', '/runs/..%2f..%2fetc'])
      expect([path, (await get(path)).status]).toEqual([path, 404]);
  });

  it('that there is not is a page for browsers, and JSON for others', async () => {
    const { get } = await siteOf(await projectOf());
    const page = await get('/runs/0123456789', 'text/html,*/*;q=0.8');
    expect([page.status, page.headers.get('content-type')]).toEqual([404, 'text/html; charset=utf-8']);
    expect(page.text).toContain('no job here begins with 0123456789');
    expect(page.text).toContain('<html lang="en">');
    const other = await get('/runs/0123456789');
    expect(JSON.parse(other.text)).toMatchObject({ error: { code: 'JOB_UNKNOWN' } });
  });

  it('holds nothing of a sealed round', async () => {
    const { bench, run } = await sealedRound();
    const { get } = await siteOf(bench);
    for (const path of [`/runs/${run}`, '/', '/runs']) {
      const { text } = await get(path);
      expect(text).not.toContain(A);
      expect(text).not.toContain(B);
    }
    expect((await get(`/runs/${run}`)).text).toContain('done, sealed <span class="quiet">2 operators</span>');
  });
});
