import { describe, expect, it } from 'vitest';
import type { Guard } from '../../../src/worker/page/guard.ts';
import { cookie, get, host, lender, origin, post, secrets } from '../../worker/page/lender-support.ts';

/** Each attack is refused, and succeeds once that one guard is off. */
const attacks: { what: string; guards: Guard[]; code: number; attack(app: App): Promise<Response> }[] = [
  {
    what: 'opens the page with a token that was guessed',
    guards: ['token'],
    code: 303,
    attack: (app) => Promise.resolve(app.request(`${origin}/?token=${'x'.repeat(43)}`, { headers: host })),
  },
  {
    what: 'opens the page without a token',
    guards: ['token'],
    code: 303,
    attack: (app) => Promise.resolve(app.request(`${origin}/`, { headers: host })),
  },
  {
    what: 'reads the page without the cookie, knowing its folder',
    guards: ['cookie'],
    code: 200,
    attack: (app) => Promise.resolve(get(app, '', { cookie: '' })),
  },
  {
    what: 'reads the page with a cookie of an earlier start',
    guards: ['cookie'],
    code: 200,
    attack: (app) => Promise.resolve(get(app, '', { cookie: cookie.replace('sss', 'old') })),
  },
  {
    what: 'has a name of its own lead to this machine (DNS rebinding)',
    guards: ['host'],
    code: 200,
    attack: (app) => Promise.resolve(get(app, '', { host: 'evil.example:4711' })),
  },
  {
    what: 'is another port of this machine, which a browser sends the same cookies to',
    guards: ['host'],
    code: 200,
    attack: (app) => Promise.resolve(get(app, '', { host: '127.0.0.1:4712' })),
  },
  {
    what: 'has a page of another site read it',
    guards: ['origin'],
    code: 200,
    attack: (app) => Promise.resolve(get(app, '', { 'sec-fetch-site': 'cross-site' })),
  },
  {
    what: 'follows the events from a page on another port of this machine',
    guards: ['origin'],
    code: 200,
    attack: (app) => Promise.resolve(get(app, 'events', { 'sec-fetch-site': 'same-site' })),
  },
  {
    what: 'sends a form from another origin that knows the text of the forms',
    guards: ['origin'],
    code: 303,
    attack: (app) => Promise.resolve(post(app, 'pause', {}, { origin: 'http://evil.example' })),
  },
  {
    what: 'sends a form from a page without an origin, such as one in a sandboxed frame',
    guards: ['origin'],
    code: 303,
    attack: (app) => Promise.resolve(post(app, 'pause', {}, { origin: 'null' })),
  },
  {
    what: 'sends a form without the text that only the page knows',
    guards: ['csrf'],
    code: 303,
    attack: (app) => Promise.resolve(post(app, 'pause', { csrf: '' })),
  },
];

type App = Awaited<ReturnType<typeof lender>>['app'];

const secretsIn = (text: string) => Object.entries(secrets).filter(([, value]) => text.includes(value));

describe('a client that', () => {
  it.each(attacks)('$what is refused', async ({ attack, guards, code }) => {
    const { app, operator } = await lender();
    const refused = await attack(app);
    // Without a server around it the app throws what that makes 403 and 421 of.
    expect(refused.status).toBe(500);
    expect(secretsIn(await refused.text())).toEqual([]);
    expect(operator.status().state).toBe('working');
    const control = await lender({}, { off: new Set(guards) });
    expect((await attack(control.app)).status).toBe(code);
  });

  it('asks by GET changes nothing', async () => {
    const { app, operator } = await lender();
    expect((await get(app, 'pause')).status).toBe(404);
    expect(operator.status().state).toBe('working');
  });

  it('opens the page over and over is refused beyond a bound', async () => {
    const { lenderPageLimits } = await import('../../../src/worker/page/limits.ts');
    const { app } = await lender({}, { wait: () => new Promise(() => {}) });
    const open = await Promise.all(
      Array.from({ length: lenderPageLimits.lenderFollowersMax }, () => get(app, 'events')),
    );
    expect((await get(app, 'events')).status).toBe(500);
    for (const { body } of open) await body?.cancel();
  });
});
