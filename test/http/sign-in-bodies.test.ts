import { Hono } from 'hono';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { formField } from '../../src/http/sign-in/csrf.ts';
import { readJson } from '../../src/http/sign-in/json-body.ts';

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
  expect(await send('/form', 'text/plain', form(100))).toEqual({});
});
