import { Hono } from 'hono';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { formField, readJson } from '../../src/http/body.ts';
import { cookiesOf } from '../../src/http/sign-in/cookies.ts';
import { refuse } from '../../src/http/sign-in/guard.ts';
import { QuorateError } from '../../src/protocol/base/errors.ts';

/** Answers with what it read, or with the code of the refusal. */
const app = new Hono()
  .post('/json', async (c) => c.json(await readJson(c, z.object({ a: z.string() }))))
  .post('/form', async (c) => c.json({ a: await formField(c, 'a') }))
  .onError((error, c) => c.json({ code: (error as { code?: string }).code }));

async function send(path: string, type: string, body: string, length: string | undefined = `${body.length}`) {
  const headers = { 'content-type': type, ...(length === '' ? {} : { 'content-length': length }) };
  return (await app.request(path, { method: 'POST', headers, body })).json();
}
const json = (bytes: number) => JSON.stringify({ a: 'x'.repeat(bytes - 8) });
const form = (bytes: number) => `a=${'x'.repeat(bytes - 2)}`;
const urlencoded = 'application/x-www-form-urlencoded';
const refused = { code: 'SIGN_IN_REQUEST' };

it('a body of JSON has 32 KiB at most, and says how many', async () => {
  expect(await send('/json', 'application/json', json(32_768))).toHaveProperty('a');
  expect(await send('/json', 'application/json', json(32_769))).toEqual(refused);
  expect(await send('/json', 'application/json', json(100), '')).toEqual(refused);
  expect(await send('/json', 'application/json', json(100), 'many')).toEqual(refused);
});

it.each([
  ['another type', 'text/plain', json(100)],
  ['no JSON', 'application/json', '{'],
  ['another shape', 'application/json', '{"a":1}'],
])('a body of %s is refused', async (_, type, body) => {
  expect(await send('/json', type, body)).toEqual(refused);
});

it('a form has 32 KiB at most, and says how many', async () => {
  expect(await send('/form', urlencoded, form(32_768))).toEqual({ a: 'x'.repeat(32_766) });
  expect(await send('/form', urlencoded, form(32_769))).toEqual(refused);
  expect(await send('/form', urlencoded, form(100), '')).toEqual(refused);
  expect(await send('/form', urlencoded, form(100), 'many')).toEqual(refused);
  expect(await send('/form', 'text/plain', form(100))).toEqual({});
});

it.each([
  ['[]', 'its top: '],
  ['{"a":1}', 'a: '],
])('a refusal of %s says where it is wrong', async (body, where) => {
  const says = new Hono()
    .post('/', async (c) => c.json(await readJson(c, z.object({ a: z.string() }))))
    .onError((error, c) => c.text(error.message));
  const headers = { 'content-type': 'application/json', 'content-length': String(body.length) };
  const answer = await says.request('/', { method: 'POST', headers, body });
  expect(await answer.text()).toContain(`the body is refused: ${where}`);
});

it.each([
  ['http://localhost', 'quorate-session-80', false],
  ['http://localhost:81', 'quorate-session-81', false],
  ['https://ci.example', '__Host-quorate-session', true],
])('the cookie of %s is %s', async (origin, name, isSecure) => {
  const cookies = cookiesOf(origin);
  const site = new Hono().get('/', (c) => {
    cookies.session.set(c, 'x');
    return c.text(cookies.session.get(c) ?? 'none');
  });
  const answer = await site.request(`${origin}/`, { headers: { cookie: `${name}=y` } });
  const [set = ''] = answer.headers.getSetCookie();
  expect([await answer.text(), set.startsWith(`${name}=x;`), set.includes('Secure')]).toEqual([
    ...['y', true],
    isSecure,
  ]);
});

it('a page says what to do where there is something', async () => {
  const site = new Hono().get('/:hint', (c) => {
    const hint = c.req.param('hint');
    return refuse(c, new QuorateError('SIGN_IN_CODE', 'no', hint === 'none' ? {} : { hint }));
  });
  const text = async (hint: string) =>
    (await site.request(`/${hint}`, { headers: { accept: 'text/html' } })).text();
  expect((await text('again')).match(/<p>(no|again)/g)).toEqual(['<p>no', '<p>again']);
  expect((await text('none')).match(/<p>(no|again)/g)).toEqual(['<p>no']);
  expect(await (await site.request('/again')).json()).toEqual({
    error: { code: 'SIGN_IN_CODE', message: 'no', hint: 'again' },
  });
});
