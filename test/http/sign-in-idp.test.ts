import { expect, it, onTestFinished, vi } from 'vitest';
import { IdpAuthority } from '../../src/http/sign-in/idp-authority.ts';
import { signInLimits } from '../../src/http/sign-in/limits.ts';
import { joseVerifier } from '../../src/identity/verifier.ts';
import { type Session, signMessage } from '../../src/protocol/documents/index.ts';
import { at, idp, makeCharter, project, testKey } from '../support/documents.ts';
import { withLimits } from '../support/with-limits.ts';

const idpOrigin = 'http://127.0.0.1:4997';
const origin = 'http://127.0.0.1:4996';
const handleOf = (n: number) => String(n).padStart(43, 'h');

async function sessionOf(over: Partial<Session> = {}, { signer, id } = idp): Promise<string> {
  const payload = {
    iss: id,
    aud: origin,
    project,
    sub: 'issuer#ada',
    name: 'Ada',
    role: 'publisher' as const,
    jti: 'j'.repeat(43),
    iat: at,
    exp: at + 300,
    ...over,
  };
  return (await signMessage('session', payload, signer)).raw;
}

type Ask = (path: string, body: never) => unknown;

/** An identity provider that answers as told, and the clock of the service that asks it. */
function asking(answer: Ask) {
  const time = { ms: at * 1000 };
  const asked: [path: string, body: unknown][] = [];
  const signals: (AbortSignal | undefined)[] = [];
  const authority = new IdpAuthority({
    idp: idpOrigin,
    origin,
    charter: () => makeCharter(),
    verifier: joseVerifier,
    now: () => time.ms,
    ask: async ({ pathname }, { body, signal }) => {
      signals.push(signal);
      asked.push([pathname, body]);
      const given = await answer(pathname, body as never);
      if (given instanceof Response) return { ok: given.ok, status: given.status, text: await given.text() };
      return { ok: true, status: 200, text: JSON.stringify(given) };
    },
  });
  onTestFinished(() => authority.close());
  const callback = new URL(
    `${origin}/sign-in/callback?${new URLSearchParams({ code: 'c', iss: idpOrigin })}`,
  );
  return { time, asked, signals, authority, finish: () => authority.finish(callback, { verifier: 'v' }) };
}

const answerWith = (session: Promise<string>) => async () => ({
  session: await session,
  handle: handleOf(1),
});
const error = (status: number, body: unknown) => () => new Response(JSON.stringify(body), { status });

it.each<[string, string, Ask, string]>([
  ['no document', 'SIGN_IN_SERVICE_REFUSED', answerWith(Promise.resolve('a.b.c')), ''],
  [
    'one of another key',
    'SIGN_IN_SERVICE_REFUSED',
    answerWith(sessionOf({}, testKey('mallory'))),
    'does not hold: it is not signed by an identity provider of the charter',
  ],
  [
    'one for another service',
    'SIGN_IN_SERVICE_REFUSED',
    answerWith(sessionOf({ aud: 'https://other.example' })),
    'does not hold: it is for https://other.example',
  ],
  [
    'one of another project',
    'SIGN_IN_SERVICE_REFUSED',
    answerWith(sessionOf({ project: testKey('other').id })),
    `does not hold: it is for project ${testKey('other').id}`,
  ],
  [
    'one that is over',
    'SIGN_IN_SERVICE_REFUSED',
    answerWith(sessionOf({ iat: at - 900, exp: at - 600 })),
    '',
  ],
  [
    'an error with its message',
    'SIGN_IN_SERVICE_REFUSED',
    error(403, { error: { message: 'not a\u2028service' } }),
    'not a service',
  ],
  ['an error without one', 'SIGN_IN_SERVICE_REFUSED', error(500, 'oops'), 'it answers 500'],
  ['another shape', 'OIDC_PROVIDER_UNREACHABLE', () => ({ session: 1 }), idpOrigin],
  [
    'nothing',
    'OIDC_PROVIDER_UNREACHABLE',
    () => {
      throw new TypeError('fetch failed');
    },
    'fetch failed',
  ],
])('an identity provider that answers with %s signs nobody in', async (_, code, answer, says) => {
  await expect(asking(answer).finish()).rejects.toMatchObject({
    code,
    message: expect.stringContaining(says),
  });
});

it('somebody is signed in by its document, until that ends', async () => {
  const { authority, asked, finish, time } = asking(answerWith(sessionOf()));
  const { url, checks } = await authority.begin();
  expect([url.origin, url.searchParams.get('state')]).toEqual([idpOrigin, checks.state]);
  expect(authority.host).toBe('127.0.0.1:4997');
  const right = await finish();
  expect(asked).toEqual([['/sign-in/exchange', { code: 'c', verifier: 'v', service: origin }]]);
  expect([right.person, right.name, right.role()]).toEqual(['issuer#ada', 'Ada', 'publisher']);
  time.ms += 300_000;
  expect(right.role()).toBe('publisher');
  time.ms += 1;
  expect(right.role()).toBeUndefined();
});

/** Some people who are signed in, and what each next question about them is answered with. */
async function signedIn(count: number, renew: (handles: string[]) => unknown) {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  let n = 0;
  const made = asking(async (path, body: { sessions?: { handle: string }[] }) =>
    path === '/sign-in/exchange'
      ? { session: await sessionOf(), handle: handleOf(n++) }
      : renew((body.sessions ?? []).map(({ handle }) => handle)),
  );
  const rights = [];
  for (let at = 0; at < count; at++) rights.push(await made.finish());
  const questions = () => made.asked.filter(([path]) => path === '/sign-in/renew').map(([, body]) => body);
  /** Until the next question was asked and answered, after which it waits for the one after it. */
  const next = async () => {
    await vi.advanceTimersByTimeAsync(signInLimits.renewMs);
    while (vi.getTimerCount() === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  };
  return { ...made, rights, questions, next };
}

it('people who are not signed in there any more are not here, and the others stay', async () => {
  const { rights, next, questions } = await signedIn(3, (handles) => ({
    sessions: handles.map((handle) => handle !== handleOf(1)),
  }));
  await next();
  expect(rights.map((right) => right.role())).toEqual(['publisher', undefined, 'publisher']);
  await next();
  expect(questions()).toHaveLength(2);
  expect(questions()[1]).toMatchObject({ sessions: [{ handle: handleOf(0) }, { handle: handleOf(2) }] });
});

it('a question is about so many at most, and about nobody whose document has ended', async () => {
  withLimits(signInLimits, { renewSessionsMax: 2 });
  const { questions, next, time, authority, rights } = await signedIn(4, (handles) => ({
    sessions: handles.map(() => true),
  }));
  await next();
  const counts = () => questions().map((body) => (body as { sessions: unknown[] }).sessions.length);
  expect(counts()).toEqual([2, 2]);
  time.ms += 300_000;
  await next();
  expect(counts()).toEqual([2, 2, 2, 2]);
  time.ms += 1;
  await vi.advanceTimersByTimeAsync(signInLimits.renewMs);
  // It is not looked for people who are not there.
  expect([counts().length, vi.getTimerCount()]).toEqual([4, 0]);
  expect(rights.map((right) => right.role())).toEqual([undefined, undefined, undefined, undefined]);
  authority.close();
});

it('a document that is renewed counts from now on, one of somebody else does not', async () => {
  const later = { iat: at + 200, exp: at + 500 };
  const renewed = [sessionOf({ ...later, role: 'reader' }), sessionOf({ ...later, sub: 'issuer#eve' })];
  const { rights, next, time } = await signedIn(3, async (handles) => ({
    sessions: await Promise.all(handles.map((_, n) => renewed[n] ?? 'nonsense')),
  }));
  time.ms += 200_000;
  await next();
  expect(rights.map((right) => right.role())).toEqual(['reader', 'publisher', 'publisher']);
  time.ms += 100_001;
  expect(rights.map((right) => right.role())).toEqual(['reader', undefined, undefined]);
});

it('a question without an answer ends nobody, and is asked again', async () => {
  const { rights, next } = await signedIn(1, () => {
    throw new TypeError('fetch failed');
  });
  await next();
  await next();
  expect(rights[0]?.role()).toBe('publisher');
});

it('it asks nothing any more once it is closed', async () => {
  const { authority, questions, finish, rights, signals } = await signedIn(1, () => ({ sessions: [true] }));
  authority.close();
  expect([rights[0]?.role(), signals[0]?.aborted]).toEqual([undefined, true]);
  await finish();
  await vi.advanceTimersByTimeAsync(10 * signInLimits.renewMs);
  expect(questions()).toEqual([]);
  const other = await signedIn(0, () => ({ sessions: [true] }));
  other.authority.close();
  await other.finish();
  await vi.advanceTimersByTimeAsync(10 * signInLimits.renewMs);
  expect(other.questions()).toEqual([]);
});
