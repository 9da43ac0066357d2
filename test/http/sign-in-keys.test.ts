import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Hono } from 'hono';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { HttpEnv } from '../../src/http/env.ts';
import { openSignIn } from '../../src/http/sign-in/open.ts';
import type { NodeKey } from '../../src/identity/keys.ts';
import { type Grant, type Role, type SignIn, signMessage } from '../../src/protocol/documents/index.ts';
import { idp, makeCharter, makeGrant, nonceOf, project, publisher, testKey } from '../support/documents.ts';
import { signedInPublisher, startSignIn } from '../support/sign-in.ts';
import { WebClient } from '../support/web-client.ts';

const origin = 'http://127.0.0.1:4998';

/** A service at which members sign in with their key, and its clock. */
async function service() {
  const clock = { now: Date.now() };
  const signed = await startSignIn(`origin = "${origin}"`, { now: () => clock.now });
  onTestFinished(() => signed.close());
  const app = new Hono<HttpEnv>();
  app.route('/', signed.app);
  app.get('/', (c) => c.text(signed.session(c)?.name ?? 'nobody'));
  const post = async (path: string, body: object) => {
    const text = JSON.stringify(body);
    const headers = { 'content-type': 'application/json', 'content-length': String(text.length) };
    const response = await app.request(`${origin}${path}`, { method: 'POST', body: text, headers });
    return { status: response.status, body: (await response.json()) as Record<string, never> };
  };
  const challenge = async () =>
    (await post('/sign-in/challenge', {})).body as unknown as { challenge: string };
  return { signed, app, clock, post, challenge };
}

const grantOf = async (key: NodeKey, role: Role, now: number, over: Partial<Grant> = {}, by = idp) => {
  const iat = Math.floor(now / 1000) - 60;
  const payload = makeGrant(key, 'ada', role, { iss: by.id, iat, exp: iat + 3_600, ...over });
  return (await signMessage('grant', payload, by.signer)).raw;
};
const signInOf = async (key: NodeKey, challenge: string, now: number, over: Partial<SignIn> = {}) => {
  const iat = Math.floor(now / 1000);
  const payload = { iss: key.id, aud: origin, project, challenge, iat, exp: iat + 60, ...over };
  return (await signMessage('sign-in', payload, key.signer)).raw;
};

describe('signing in with a key', () => {
  it('gives an address that a browser opens, and confirms, once', async () => {
    const { app, clock, post, challenge } = await service();
    const signIn = await signInOf(publisher, (await challenge()).challenge, clock.now);
    const { body } = await post('/sign-in/key', {
      'sign-in': signIn,
      grant: await grantOf(publisher, 'publisher', clock.now),
    });
    const { url } = body as unknown as { url: string };
    const browser = new WebClient({ [origin]: app });
    expect((await browser.ask(url)).text).toContain('<strong>ada</strong>');
    expect((await browser.ask(`${origin}/`)).text).toBe('nobody');
    const code = new URL(url).searchParams.get('code') ?? '';
    const elsewhere = await browser.ask(`${origin}/sign-in/link`, {
      form: { code },
      from: 'https://x.example',
    });
    expect(elsewhere.status).toBe(403);
    const done = await browser.ask(`${origin}/sign-in/link`, { form: { code }, from: origin });
    expect(done.status).toBe(303);
    expect((await browser.ask(`${origin}/`)).text).toBe('ada');
    const again = new WebClient({ [origin]: app });
    expect((await again.ask(url)).text).toContain('SIGN_IN_CODE');
    expect((await again.ask(`${origin}/sign-in/link`, { form: { code }, from: origin })).status).toBe(400);
  });

  it('ends in time where the clock of the host is set back', async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'quorate-sign-in-')), 'sign-in.toml');
    await writeFile(path, `origin = "${origin}"`);
    const charter = () => makeCharter();
    const members = { charter, isRevoked: () => false };
    const signed = await openSignIn({
      path,
      members,
      charter,
      issuer: undefined,
      checkOwn: async () => {},
      onError: () => {},
    });
    onTestFinished(() => signed.close());
    const app = new Hono<HttpEnv>().route('/', signed.app);
    app.get('/', (c) => c.text(signed.session(c)?.name ?? 'nobody'));
    const [wall, passed, dayMs] = [Date.now(), performance.now(), 86_400_000];
    const browser = await signedInPublisher(app, origin, wall);
    expect((await browser.ask(`${origin}/`)).text).toBe('ada');
    onTestFinished(() => void vi.restoreAllMocks());
    vi.spyOn(Date, 'now').mockReturnValue(wall - dayMs);
    vi.spyOn(performance, 'now').mockReturnValue(passed + dayMs);
    expect((await browser.ask(`${origin}/`)).text).toBe('nobody');
  });

  it('ends at once when the key is revoked, and with the grant', async () => {
    for (const end of ['revoked', 'expired'] as const) {
      const { signed, app, clock, post, challenge } = await service();
      const signIn = await signInOf(publisher, (await challenge()).challenge, clock.now);
      const grant = await grantOf(publisher, 'publisher', clock.now, {
        exp: Math.floor(clock.now / 1000) + 300,
      });
      const { url } = (await post('/sign-in/key', { 'sign-in': signIn, grant })).body as unknown as {
        url: string;
      };
      const code = new URL(url).searchParams.get('code') ?? '';
      const browser = new WebClient({ [origin]: app });
      await browser.ask(`${origin}/sign-in/link`, { form: { code }, from: origin });
      expect((await browser.ask(`${origin}/`)).text).toBe('ada');
      if (end === 'revoked') signed.revoked.add(publisher.id);
      else clock.now += 301_000;
      expect((await browser.ask(`${origin}/`)).text, end).toBe('nobody');
    }
  });

  it.each<[string, string, (now: number, challenge: string) => Promise<{ signIn: string; grant: string }>]>([
    [
      'for another service',
      'SIGN_IN_KEY_REFUSED',
      async (now, challenge) => ({
        signIn: await signInOf(publisher, challenge, now, { aud: 'https://other.example' }),
        grant: await grantOf(publisher, 'publisher', now),
      }),
    ],
    [
      'for another project',
      'SIGN_IN_KEY_REFUSED',
      async (now, challenge) => ({
        signIn: await signInOf(publisher, challenge, now, { project: testKey('other root').id }),
        grant: await grantOf(publisher, 'publisher', now),
      }),
    ],
    [
      'with the grant of somebody else',
      'SIGN_IN_KEY_REFUSED',
      async (now, challenge) => ({
        signIn: await signInOf(testKey('mallory'), challenge, now),
        grant: await grantOf(publisher, 'publisher', now),
      }),
    ],
    [
      'with a grant that it issued itself',
      'SIGN_IN_KEY_REFUSED',
      async (now, challenge) => ({
        signIn: await signInOf(testKey('mallory'), challenge, now),
        grant: await grantOf(testKey('mallory'), 'publisher', now, {}, testKey('mallory')),
      }),
    ],
    [
      'as a worker',
      'SIGN_IN_KEY_REFUSED',
      async (now, challenge) => ({
        signIn: await signInOf(publisher, challenge, now),
        grant: await grantOf(publisher, 'worker', now),
      }),
    ],
    [
      'with a grant of yesterday',
      'SIGN_IN_KEY_REFUSED',
      async (now, challenge) => ({
        signIn: await signInOf(publisher, challenge, now),
        grant: await grantOf(publisher, 'publisher', now - 86_400_000),
      }),
    ],
    [
      'signed an hour ago',
      'SIGN_IN_KEY_REFUSED',
      async (now, challenge) => ({
        signIn: await signInOf(publisher, challenge, now - 3_600_000),
        grant: await grantOf(publisher, 'publisher', now),
      }),
    ],
    [
      'with a challenge of its own',
      'SIGN_IN_CHALLENGE',
      async (now) => ({
        signIn: await signInOf(publisher, `${now + 60_000}.${nonceOf('own')}.${nonceOf('mac')}`, now),
        grant: await grantOf(publisher, 'publisher', now),
      }),
    ],
    [
      'with a challenge whose time it moved',
      'SIGN_IN_CHALLENGE',
      async (now, challenge) => ({
        signIn: await signInOf(publisher, challenge.replace(/^\d+/, String(now + 3_600_000)), now),
        grant: await grantOf(publisher, 'publisher', now),
      }),
    ],
  ])('%s is refused', async (_, code, make) => {
    const { clock, post, challenge } = await service();
    const { signIn, grant } = await make(clock.now, (await challenge()).challenge);
    const { status, body } = await post('/sign-in/key', { 'sign-in': signIn, grant });
    expect([status, body]).toMatchObject([403, { error: { code } }]);
  });

  it('twice with one challenge, or late, is refused', async () => {
    const { clock, post, challenge } = await service();
    const given = (await challenge()).challenge;
    const grant = await grantOf(publisher, 'publisher', clock.now);
    const sent = { 'sign-in': await signInOf(publisher, given, clock.now), grant };
    expect((await post('/sign-in/key', sent)).status).toBe(200);
    expect((await post('/sign-in/key', sent)).body).toMatchObject({ error: { code: 'SIGN_IN_CHALLENGE' } });
    const late = (await challenge()).challenge;
    clock.now += 61_000;
    expect(
      (await post('/sign-in/key', { 'sign-in': await signInOf(publisher, late, clock.now), grant })).body,
    ).toMatchObject({ error: { code: 'SIGN_IN_CHALLENGE' } });
  });
});
