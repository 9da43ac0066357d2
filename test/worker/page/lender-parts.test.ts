import { describe, expect, it, onTestFinished } from 'vitest';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { type Lent, lentOf, type OperatorStatus } from '../../../src/worker/node/operator.ts';
import { lenderErrorPage, serveLender } from '../../../src/worker/page/app.ts';
import { changesIn, knobFields } from '../../../src/worker/page/knob-fields.ts';
import { lenderPageLimits } from '../../../src/worker/page/limits.ts';
import { lenderPage, partOf } from '../../../src/worker/page/page.ts';
import { ask } from '../../http/support.ts';
import { idleOperator } from '../../support/operator.ts';
import { withLimits } from '../../support/with-limits.ts';
import { cookie, get, host, lender, origin, post, secrets } from './lender-support.ts';

const capabilities = {
  cpus: 2,
  memoryBytes: 2 ** 30,
  diskBytes: 2 ** 28,
  arch: 'x86_64' as const,
  tiers: [],
};
const lending = { capabilities, jobsAtOnce: 1, pids: 4096, seconds: 3600 };
const lent = (over: Partial<Lent> = {}): Lent => ({
  ...lentOf(lending, { hours: [], downBytes: 2 ** 20 }),
  ...over,
});
const size = { cpus: 4, memoryBytes: 2 ** 28 };

describe('a limit as a field', () => {
  const fieldOf = (field: string, over: Partial<Lent> = {}, of = size) => {
    const found = knobFields(lent(over), of).find((one) => one.field === field);
    if (found === undefined) throw new Error(`no field ${field}`);
    return found;
  };

  it.each<[string, Partial<Lent>, string, string]>([
    ['memoryBytes', { memoryBytes: 2 ** 40 }, '1TiB', '1 TiB'],
    ['memoryBytes', { memoryBytes: 2 ** 30 }, '1GiB', '1 GiB'],
    ['memoryBytes', { memoryBytes: 2 ** 20 }, '1MiB', '1 MiB'],
    ['memoryBytes', { memoryBytes: 2 ** 20 - 1 }, '1023KiB', '1024 KiB'],
    ['memoryBytes', { memoryBytes: 3 * 2 ** 19 }, '1536KiB', '1.5 MiB'],
    // As of a host whose memory is no whole number of anything.
    ['memoryBytes', { memoryBytes: 12_342_048 * 2 ** 10 }, '12052MiB', '12 GiB'],
    ['seconds', { seconds: 86_400 }, '1d', '1d'],
    ['seconds', { seconds: 90_000 }, '25h', '25h'],
    ['seconds', { seconds: 60 }, '1m', '1m'],
    ['seconds', { seconds: 59 }, '59s', '59s'],
    ['seconds', { seconds: null }, 'none', 'none'],
    ['upBytes', { upBytes: 2 ** 20 }, '1MiB/s', '1MiB/s'],
    ['upBytes', { upBytes: null }, 'none', 'none'],
    ['cpus', {}, '2', '2'],
    ['processor', { processor: 'idle' }, 'idle', 'idle'],
  ])('%s of %j is written %s', (field, over, value, says) => {
    expect(fieldOf(field, over)).toMatchObject({ value, says });
  });

  it('stops at doubled amounts up to those of the host, at the present one, and at none where it may be lifted', () => {
    expect(fieldOf('memoryBytes', { memoryBytes: 2 ** 27 + 2 ** 20 }).stops).toEqual([
      '64MiB',
      '128MiB',
      '129MiB',
      '256MiB',
    ]);
    expect(fieldOf('cpus').stops).toEqual(['1', '2', '3', '4']);
    const pids = fieldOf('pids').stops;
    expect([pids[0], pids.at(-1), pids.length]).toEqual(['64', '32768', 10]);
    expect(fieldOf('ioWeight').stops).toEqual(['1', '5', '10', '20', '50', '100', '200', '500', '1000']);
    expect(fieldOf('seconds').stops).toEqual([
      '5m',
      '15m',
      '30m',
      '1h',
      '2h',
      '4h',
      '8h',
      '12h',
      '1d',
      '2d',
      '7d',
      'none',
    ]);
    const up = fieldOf('upBytes').stops;
    expect([up[0], up.at(-2), up.at(-1), up.length]).toEqual(['16KiB/s', '256MiB/s', 'none', 16]);
    expect(fieldOf('processor')).toMatchObject({ stops: [], choices: ['low', 'idle'] });
    expect(fieldOf('cpus').choices).toEqual([]);
  });

  it('is changed where its text is another one', () => {
    const same = {
      cpus: ' 2 ',
      memoryBytes: '1GiB',
      seconds: '1h',
      processorSeconds: 'none',
      processor: 'low',
      other: 'x',
    };
    expect(changesIn(same, lent())).toEqual({ changes: {}, faults: [] });
    // A value that cannot be written as it is held is no change, either.
    expect(changesIn({ memoryBytes: '1023KiB' }, lent({ memoryBytes: 2 ** 20 - 1 }))).toEqual({
      changes: {},
      faults: [],
    });
    const others = {
      cpus: '3',
      memoryBytes: '1MiB',
      seconds: 'none',
      processorSeconds: '1h',
      processor: 'idle',
      downBytes: 'none',
    };
    expect(changesIn(others, lent())).toEqual({
      changes: {
        cpus: 3,
        memoryBytes: 2 ** 20,
        seconds: null,
        processorSeconds: 3600,
        processor: 'idle',
        downBytes: null,
      },
      faults: [],
    });
    expect(changesIn({ cpus: new File([], 'x') }, lent())).toEqual({ changes: {}, faults: [] });
  });

  it.each([
    ['cpus', 'none', 'expected a whole number'],
    ['cpus', '0', 'expected a whole number'],
    ['cpus', '12345678901', 'expected a whole number'],
    ['memoryBytes', 'none', 'expected a size such as 512MiB or 4GiB'],
    ['seconds', '1 year', /^expected .*, or none$/],
    ['processor', 'high', /^expected/],
  ])('%s that says %s cannot be read', (field, text, message) => {
    const { changes, faults } = changesIn({ [field]: text }, lent());
    expect(changes).toEqual({});
    expect(faults).toEqual([
      { field, message: typeof message === 'string' ? message : expect.stringMatching(message) },
    ]);
  });
});

describe('the page of a worker', () => {
  const status = (over: Partial<OperatorStatus> = {}): OperatorStatus => ({
    ...idleOperator().status(),
    leases: 0,
    ...over,
  });
  const part = async (of: Parameters<typeof partOf>[0], over: Partial<OperatorStatus> = {}) =>
    String(await partOf(of, { status: status(over), csrf: 'c' }));
  const build = { job: 'app', commit: 'a'.repeat(40), ms: 61_000 };

  it('says what the state of the worker is, and no more', async () => {
    const plain = await part('state');
    expect(plain).toContain('<p class="state good">working</p>');
    expect(plain.match(/<p/g)).toHaveLength(1);
  });

  it.each<[string, Partial<OperatorStatus>, string]>([
    [
      'paused',
      { state: 'paused', reason: 'you paused it' },
      '<p class="state warn">paused: takes no new job, you paused it</p>',
    ],
    ['older', { behind: 'by one' }, 'This worker is older: by one'],
    ['of a log with a fault', { log: 'forked' }, 'The log: forked'],
    ['not heeded', { unheeded: ['io'] }, 'No effect here: io'],
    ['damaged', { damaged: ['x', 'y'] }, 'Damaged in the store: 2 trees'],
    ['waiting', { leases: 3, builds: [build] }, '<p>Waits for 2 rounds to end.</p>'],
    ['among other programs', { hostLoad: 1.26 }, 'Other programs keep 1.3 processors busy.'],
  ])('says that it is %s', async (_, over, says) => {
    expect(await part('state', over)).toContain(says);
  });

  it('waits for no round where each lease is being built', async () => {
    expect(await part('state', { leases: 1, builds: [build] })).not.toContain('Waits for');
  });

  it.each<[OperatorStatus['state'], string[]]>([
    ['working', ['resume']],
    ['paused', ['pause']],
    ['draining', ['drain']],
    ['waiting', ['resume']],
  ])('of one that is %s offers not to %j', async (state, off) => {
    const text = await part('actions', { state });
    expect(
      [...text.matchAll(/action="(\w+)"(?:(?!<button).)*<button type="submit" (disabled|)>/gs)].flatMap(
        ([, verb, is]) => (is === '' ? [] : [verb]),
      ),
    ).toEqual(off);
  });

  it('shows builds, what they use, and the image that is fetched', async () => {
    expect(await part('builds')).toBe('<p>No build.</p>');
    const text = await part('builds', {
      builds: [build],
      using: { memoryBytes: 2048, processorSeconds: 61 },
    });
    expect(text).toContain('<strong>app</strong> at <code>aaaaaaaaaaaa</code> for 1 min 1 s');
    expect(text).toContain('they use 2 KiB of memory, and 1 min 1 s of processor');
    expect(text).not.toContain('Fetches');
  });

  it('shows hosts, or that a worker of before says nothing of them', async () => {
    const hosts = { allowed: [], pending: [], spent: [], traffic: [] };
    expect(await part('hosts', { hosts: undefined as never })).toContain('Not known: update the worker.');
    const none = await part('hosts', { hosts });
    expect(none).toContain('Allowed: no host');
    expect(none).not.toMatch(/A limit|<ul>|<form/);
    expect(await part('hosts', { hosts: { ...hosts, allowed: 'any' } })).toContain(
      'any host that the project names',
    );
  });

  it('shows what became of each build', async () => {
    expect(await part('history')).toContain('No build has ended yet.');
    const past = {
      job: 'app',
      repo: 'https://git.example/a',
      ref: 'refs/heads/main',
      commit: 'c'.repeat(40),
      startedOn: '2026-01-01T00:00:00.000Z',
      finishedOn: '2026-01-01T00:01:01.000Z',
      code: null,
    };
    const aborted = { kind: 'aborted', reason: 'memory', detail: 'x' } as const;
    const exit = (code: number) => ({ kind: 'exit', code, artifact: null }) as const;
    const all = [
      { ...past, outcome: exit(0), fate: 'sealed' as const },
      { ...past, outcome: exit(1), fate: 'published' as const },
      { ...past, outcome: aborted, fate: 'dropped' as const, code: 'LEASE_LOST' },
      { ...past, outcome: null, fate: 'lost' as const, startedOn: null },
    ];
    const items = (await part('history', { history: all as never })).split('<li>').slice(1);
    const says = [
      ...['<span class="good">exit 0</span>', '<span class="warn">exit 1</span>'],
      ...['<span class="warn">aborted (memory)</span>', '<span class="warn">no result</span>'],
    ];
    expect(says.filter((text, n) => !items[n]?.includes(text))).toEqual([]);
    const fates = [
      'sealed until its round ends',
      'published',
      'not used [LEASE_LOST]',
      'lost when the worker stopped',
    ];
    expect(fates.filter((text, n) => !items[n]?.includes(`2026-01-01 00:01:01 UTC</time>; ${text}`))).toEqual(
      [],
    );
    expect(items.map((text) => text.includes(', took 1 min 1 s'))).toEqual([true, true, true, false]);
  });

  it('has a slider with a stop for each value, the present one being chosen', async () => {
    const view = {
      status: status(),
      csrf: 'c',
      notice: undefined,
      faults: new Map(),
      knobs: knobFields(lent(), size),
    };
    const text = String(await lenderPage(view));
    expect(text).toMatch(/min="0" max="3" step="1" value="1" data-for="cpus" data-stops="1 2 3 4"/);
    expect(text).toMatch(
      /<select id="processor"[^>]*><option value="low" selected>low<\/option><option value="idle" >idle/,
    );
    expect([
      text.match(/<select/g)?.length,
      text.includes('aria-invalid'),
      text.includes('class="notice'),
    ]).toEqual([1, false, false]);
    const faults = new Map([['cpus', { text: 'lots', message: 'expected a number' }]]) as never;
    const wrong = String(
      await lenderPage({ ...view, faults, notice: { kind: 'fault', text: 'no', hint: 'try again' } }),
    );
    expect(wrong).toContain('value="lots"');
    expect(wrong).toContain('<strong class="bad">expected a number.</strong>');
    expect(wrong).toContain('<p class="notice bad" role="alert">no<br>try again</p>');
    const done = String(await lenderPage({ ...view, notice: { kind: 'done', text: 'yes' } }));
    expect(done).toContain('<p class="notice good" role="status">yes</p>');
    const none = String(await lenderPage({ ...view, status: undefined }));
    expect([none.includes('<title>no answer'), none.includes('Not known: no worker answers.')]).toEqual([
      true,
      true,
    ]);
    expect(String(await partOf('builds', { status: undefined, csrf: 'c' }))).toBe('');
  });
});

describe('requests to the page of a worker', () => {
  it('of another folder, or without the cookie, are refused', async () => {
    const { app } = await lender();
    const codes: string[] = [];
    app.onError((error, c) => {
      codes.push((error as QuorateError).code);
      return c.text('refused', 403);
    });
    const at = (path: string, headers = {}) =>
      app.request(`${origin}${path}`, { headers: { ...host, ...headers } });
    await at(`/${'g'.repeat(43)}/`, { cookie });
    await at(`/${secrets.folder}/`);
    await at('/');
    await at(`/?token=${'u'.repeat(43)}`);
    await at('/', { host: 'other.example' });
    await at(`/${secrets.folder}/`, { cookie, 'sec-fetch-site': 'cross-site' });
    expect(codes).toEqual([
      ...['HTTP_NOT_FOUND', 'LENDER_NOT_ADMITTED', 'LENDER_NOT_ADMITTED', 'LENDER_NOT_ADMITTED'],
      ...['HTTP_HOST_UNKNOWN', 'LENDER_REQUEST_FORGED'],
    ]);
    for (const site of ['same-origin', 'none'])
      expect((await get(app, '', { 'sec-fetch-site': site })).status).toBe(200);
  });

  it('fail where asking the worker fails in a way that is not known', async () => {
    const ask = () => Promise.reject(new TypeError('broken'));
    const { app } = await lender({}, { ask });
    app.onError((error, c) => c.text(error.message, 500));
    for (const answer of [
      await get(app),
      await post(app, 'pause'),
      await post(app, 'allow'),
      await post(app, 'limits'),
    ])
      expect([answer.status, await answer.text()]).toEqual([500, 'broken']);
    const told = await lender(
      {},
      {
        ask: async ({ do: verb }) =>
          (verb === 'status' ? { status: idleOperator().status() } : ask()) as never,
      },
    );
    told.app.onError((error, c) => c.text(error.message, 500));
    expect(await (await post(told.app, 'limits', { cpus: '3' })).text()).toBe('broken');
  });

  it('say what is done, and which limit a build that runs is not held to', async () => {
    const { app } = await lender();
    for (const verb of ['resume', 'drain', 'limits', 'allow'])
      expect(await (await get(app, `?done=${verb}`)).text()).toContain('<p class="notice good"');
    for (const verb of ['', '?done=constructor', '?done=x'])
      expect(await (await get(app, verb)).text()).not.toContain('class="notice');
    const status = idleOperator().status();
    const missing = await lender(
      {},
      { ask: async () => ({ status, missed: ['memory', 'processes'] }) as never },
    );
    const answer = await post(missing.app, 'limits', { cpus: '3' });
    expect([answer.status, await answer.text()]).toEqual([
      400,
      expect.stringContaining('the new limit of memory, processes; the next one is.'),
    ]);
    const gone = await lender(
      {},
      { ask: () => Promise.reject(new QuorateError('PROCESS_NOT_RUNNING', 'no worker')) },
    );
    expect((await post(gone.app, 'limits', { cpus: '3' })).status).toBe(400);
  });

  it('follow it in as many windows as there may be, and one more once one is closed', async () => {
    withLimits(lenderPageLimits, { lenderFollowersMax: 2 });
    const ends: ((goesOn: boolean) => void)[] = [];
    const { app } = await lender({}, { wait: () => new Promise((resolve) => ends.push(resolve)) });
    app.onError((error, c) => c.text((error as QuorateError).code, 503));
    const [first, second] = [await get(app, 'events'), await get(app, 'events')];
    expect(await (await get(app, 'events')).text()).toBe('HTTP_BUSY');
    // One that nobody reads does not go on.
    const reading = first?.text();
    await expect.poll(() => ends.length).toBe(1);
    ends[0]?.(false);
    await reading;
    const third = await get(app, 'events');
    expect(third.status).toBe(200);
    for (const answer of [second, third]) await answer?.body?.cancel();
  });
});

it('the page is served by its own address only', async () => {
  const server = await serveLender(
    { host: '127.0.0.1', port: 0 },
    {
      secrets,
      host: size,
      ask: () => Promise.reject(new QuorateError('PROCESS_NOT_RUNNING', 'no worker')),
      wait: async () => false,
    },
  );
  onTestFinished(() => server.close());
  const name = `127.0.0.1:${server.port}`;
  expect(server.url).toBe(`http://${name}/?token=${secrets.token}`);
  const answer = await fetch(server.url, { redirect: 'manual' });
  expect([answer.status, answer.headers.get('location')]).toEqual([303, `/${secrets.folder}/`]);
  const refused = await ask(server, '/', { headers: { host: name, accept: 'text/html' } });
  expect([refused.status, refused.body.includes('[LENDER_NOT_ADMITTED]')]).toEqual([403, true]);
  expect((await ask(server, '/', { headers: { host: 'localhost' } })).status).toBe(421);
});

it('a refusal is a page with its message', async () => {
  const text = await lenderErrorPage({
    status: 403,
    code: 'LENDER_NOT_ADMITTED',
    message: '<b>',
    headers: {},
  });
  expect([text.includes('<p>&lt;b&gt; [LENDER_NOT_ADMITTED]</p>'), text.includes('/static/lender.')]).toEqual(
    [true, true],
  );
});
