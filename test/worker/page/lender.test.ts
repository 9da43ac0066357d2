import { describe, expect, it } from 'vitest';
import { staticUrl } from '../../../src/http/static-files.ts';
import { codeOf } from '../../../src/protocol/base/errors.ts';
import { knobs } from '../../../src/worker/lending-knobs.ts';
import type { PastBuild } from '../../../src/worker/machine/history.ts';
import { lenderPageLimits } from '../../../src/worker/page/limits.ts';
import { cookie, get, host, lender, origin, post, secrets } from './lender-support.ts';

const past: PastBuild = {
  job: '<script>alert(1)</script>',
  repo: 'https://git.example/"><img src=x>.git',
  ref: 'refs/heads/main',
  commit: 'c'.repeat(40),
  startedOn: '2026-01-01T00:00:00.000Z',
  finishedOn: '2026-01-01T00:00:10.000Z',
  outcome: { kind: 'exit', code: 0, artifact: null },
  fate: 'published',
  code: null,
};

describe('the page of a worker', () => {
  it('exchanges the token for a strict cookie, and is then without it in the address', async () => {
    const { app } = await lender();
    const answer = await app.request(`${origin}/?token=${secrets.token}`, { headers: host });
    expect(answer.status).toBe(303);
    expect(answer.headers.get('location')).toBe(`/${secrets.folder}/`);
    expect(answer.headers.get('set-cookie')).toBe(
      `${cookie}; Path=/${secrets.folder}/; HttpOnly; SameSite=Strict`,
    );
    const page = await get(app);
    expect(page.status).toBe(200);
    expect(page.headers.get('referrer-policy')).toBe('same-origin');
    expect(page.headers.get('cache-control')).toBe('no-store');
    const css = await app.request(`${origin}${staticUrl('lender.css')}`, { headers: host });
    expect([css.status, css.headers.get('cache-control')]).toEqual([
      200,
      'public, max-age=31536000, immutable',
    ]);
  });

  it.each([
    ['a cookie of as many characters, and more bytes', { cookie: cookie.replace(/s$/, '%C3%A9') }, ''],
    ['a form that is none', { 'content-type': 'multipart/form-data; boundary=0123456789' }, 'no form'],
  ])('refuses %s with a code', async (_, headers, body) => {
    const { app, operator } = await lender();
    const codes: string[] = [];
    app.onError((error, c) => {
      codes.push(codeOf(error));
      return c.text('refused', 403);
    });
    const all = { ...host, cookie, origin, 'content-type': 'application/x-www-form-urlencoded', ...headers };
    await app.request(`${origin}/${secrets.folder}/pause`, { method: 'POST', headers: all, body });
    expect(codes).toEqual([expect.stringMatching(/^LENDER_/)]);
    expect(operator.status().state).toBe('working');
  });

  it('shows state, builds, limits and history in one page that needs no script', async () => {
    const { app } = await lender({
      history: () => [past],
      builds: () => [{ job: 'app', commit: 'a'.repeat(40), ms: 61_000 }],
    });
    const text = await (await get(app)).text();
    expect(text).toContain('<p class="state good">working</p>');
    expect(text).toContain('<strong>app</strong> at <code>aaaaaaaaaaaa</code> for 1 min 1 s');
    expect(text).toContain('exit 0</span>');
    expect(text).toContain('published');
    const live = Object.entries(knobs).filter(([, knob]) => 'option' in knob);
    for (const [field] of live)
      expect(text).toMatch(new RegExp(`<(input|select) id="${field}" name="${field}"`));
    expect(text).toContain('name="memoryBytes" value="256MiB"');
  });

  it('leads to the pages of its project, where the controller named their address', async () => {
    const shown = async (pages?: string) =>
      (await get((await lender({}, { project: { name: 'lan<tern', pages } })).app)).text();
    const text = await shown('https://ci.example.org/');
    expect(text).toContain('lan&lt;tern</a>');
    expect(
      [...text.matchAll(/<a href="([^"]*)"[^>]*>([^<]*)<\/a>/g)].map(([, to, name]) => [to, name]),
    ).toEqual([
      ['./', 'This machine'],
      ['https://ci.example.org/', 'Project'],
      ['https://ci.example.org/runs', 'Runs'],
      ['https://ci.example.org/verify', 'Verify'],
    ]);
    for (const pages of [undefined, 'javascript:alert(1)', 'https://a"b']) {
      const without = await shown(pages);
      expect([without.includes('>Runs<'), without.includes('This machine')]).toEqual([false, true]);
    }
  });

  it('escapes what strangers named', async () => {
    const text = await (await get((await lender({ history: () => [past] })).app)).text();
    expect(text).not.toContain('<script>alert');
    expect(text).not.toContain('<img');
    expect(text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
  });

  it('lists the hosts that it connects to, and allows one that the project named', async () => {
    const allowed: string[] = [];
    const bad = '"><script>alert(2)</script>';
    const { app } = await lender({
      pendingHosts: () => ['git.example:3000', bad],
      hosts: {
        list: ['ci.example'],
        spent: ['ci.example'],
        watch: () => () => {},
        allow: async (host) => void allowed.push(host),
        withdraw: async () => {},
        gate: {
          traffic: [
            {
              host: 'ci.example',
              addresses: ['192.0.2.1'],
              connections: 3,
              open: 1,
              receivedBytes: 2048,
              sentBytes: 1024,
            },
          ],
        },
      },
    });
    const text = await (await get(app)).text();
    expect(text).toContain('<p>Allowed: <code>ci.example</code>');
    expect(text).toContain('(192.0.2.1): 3 connections, 1 open; 2 KiB in, 1 KiB out');
    expect(text).toContain('A limit of this hour is reached: <code>ci.example</code>');
    expect(text).toContain('name="host" value="git.example:3000"');
    expect(text).not.toContain('<script>alert');
    const done = await post(app, 'allow', { host: 'git.example:3000' });
    expect([done.status, done.headers.get('location'), allowed]).toEqual([
      ...[303, './?done=allow'],
      ['git.example:3000'],
    ]);
    expect((await post(app, 'allow', { host: bad })).status).toBe(400);
    expect((await post(app, 'allow')).status).toBe(400);
    expect(allowed).toHaveLength(1);
  });

  it('pauses, resumes and drains by forms, and comes back with what was done', async () => {
    const { app, operator } = await lender();
    const paused = await post(app, 'pause');
    expect([paused.status, paused.headers.get('location')]).toEqual([303, './?done=pause']);
    expect(operator.status().state).toBe('paused');
    expect(await (await get(app, '?done=pause')).text()).toContain('It is paused.');
    await post(app, 'resume');
    expect(operator.status().state).toBe('working');
    await post(app, 'drain');
    expect(operator.status().state).toBe('draining');
  });

  it('changes the limits whose text is another one, in the notation of worker.toml', async () => {
    const { app, operator } = await lender();
    const fields = {
      cpus: '2',
      memoryBytes: '512MiB',
      seconds: 'none',
      upBytes: '1MiB/s',
      processor: 'idle',
      ioWeight: '20',
    };
    const answer = await post(app, 'limits', fields);
    expect(answer.status).toBe(303);
    expect(operator.status().lending).toMatchObject({
      cpus: 2,
      memoryBytes: 2 ** 29,
      diskBytes: 2 ** 29,
      seconds: null,
      upBytes: 2 ** 20,
      processor: 'idle',
      ioWeight: 20,
    });
  });

  it('changes nothing where a limit cannot be read or held, and says which', async () => {
    const { app, operator } = await lender();
    const before = operator.status().lending;
    const answer = await post(app, 'limits', { cpus: '2', memoryBytes: '<b>lots' });
    const text = await answer.text();
    expect(answer.status).toBe(400);
    expect(text).toContain('[LENDER_FIELD_INVALID]');
    expect(text).toContain('expected a size such as 512MiB or 4GiB');
    expect(text).toContain('value="&lt;b&gt;lots"');
    const above = await post(app, 'limits', { memoryBytes: '900TiB' });
    expect(await above.text()).toContain('[LIMITS_INVALID]');
    expect(operator.status().lending).toEqual(before);
  });

  it('sends each part as an event, and again only once it has changed', async () => {
    let looks = 0;
    const made = await lender(
      {},
      {
        wait: async () => {
          looks += 1;
          if (looks === 1) made.operator.pause();
          return looks < 3;
        },
      },
    );
    const answer = await get(made.app, 'events');
    expect(answer.headers.get('content-type')).toContain('text/event-stream');
    const text = await answer.text();
    // One at each look: a connection on which nothing is written ends.
    expect(text.match(/^:/gm)).toHaveLength(looks);
    const events = text.split('\n').filter((line) => line.startsWith('event: '));
    expect(events).toEqual(
      ['state', 'actions', 'builds', 'hosts', 'history', 'state', 'actions'].map((part) => `event: ${part}`),
    );
  });

  it('keeps no place for a browser that asks for the head of its events', async () => {
    const { app } = await lender();
    for (let n = 0; n < lenderPageLimits.lenderFollowersMax; n++) await get(app, 'events', {}, 'HEAD');
    expect((await get(app, 'events')).status).toBe(200);
  });

  it('says so where no worker answers', async () => {
    const { QuorateError } = await import('../../../src/protocol/base/errors.ts');
    const ask = () => Promise.reject(new QuorateError('PROCESS_NOT_RUNNING', 'no worker answers'));
    const { app } = await lender({}, { ask });
    expect(await (await get(app)).text()).toContain('No worker answers');
    expect((await post(app, 'pause')).status).toBe(400);
  });
});
