import fc from 'fast-check';
import { Hono } from 'hono';
import { describe, expect, it } from 'vitest';
import { answerWith, rangeOf } from '../../src/http/answer.ts';
import type { HttpEnv } from '../../src/http/env.ts';
import { collect, noiseBytes, store, tar } from '../store/support.ts';
import { ask, bundleName, serve, viewOf } from './support.ts';

const text = '{"proof":1}';
const target = `/v1/${viewOf().project}/bundle/${bundleName}`;

/** The bundle of the test, asked for in part. */
async function bundle() {
  const server = await serve();
  const get = (headers: Record<string, string>, method = 'GET') => ask(server, target, { headers, method });
  const { etag = '' } = (await get({})).headers;
  return { get, etag: String(etag) };
}

describe('a part of an answer', () => {
  it.each([
    ['bytes=0-0', '{', '0-0'],
    ['bytes=2-6', 'proof', '2-6'],
    ['bytes=9-', '1}', '9-10'],
    ['BYTES=9-99999', '1}', '9-10'],
    ['bytes=-3', ':1}', '8-10'],
    ['bytes=-99', text, '0-10'],
  ])('is what %s names', async (range, body, place) => {
    const { get, etag } = await bundle();
    const got = await get({ range });
    expect([got.status, got.body, got.headers]).toEqual([
      206,
      body,
      expect.objectContaining({
        'content-range': `bytes ${place}/11`,
        'content-length': String(body.length),
        'accept-ranges': 'bytes',
        etag,
      }),
    ]);
  });

  it.each([
    'bytes=0-1,3-4',
    'bytes=5-2',
    'bytes=-',
    'bytes=',
    'lines=1-2',
    'bytes=1',
    'bytes=a-b',
    'bytes=1-2-3',
  ])('is the whole for %s', async (range) => {
    const { get } = await bundle();
    const got = await get({ range });
    expect([got.status, got.body, got.headers['content-range']]).toEqual([200, text, undefined]);
  });

  it.each(['bytes=11-', 'bytes=11-20', 'bytes=-0', 'bytes=999999999999999-'])(
    'is refused where there is nothing of it: %s',
    async (range) => {
      const { get } = await bundle();
      const got = await get({ range });
      expect([got.status, got.body, got.headers['content-range']]).toEqual([416, '', 'bytes */11']);
    },
  );

  it('is of the answer that `If-Range` names, and else the whole', async () => {
    const { get, etag } = await bundle();
    const range = 'bytes=0-1';
    expect((await get({ range, 'if-range': etag })).status).toBe(206);
    for (const other of ['"other"', `W/${etag}`, 'Mon, 30 Nov 2026 10:00:00 GMT'])
      expect((await get({ range, 'if-range': other })).status).toBe(200);
  });

  it('is not sent to who has the answer, nor to who asks for the head', async () => {
    const { get, etag } = await bundle();
    expect((await get({ range: 'bytes=0-1', 'if-none-match': etag })).status).toBe(304);
    const head = await get({ range: 'bytes=0-1' }, 'HEAD');
    expect([head.status, head.headers['content-length'], head.body]).toEqual([200, '11', '']);
  });
});

it.each([
  ['"a", ETAG', true],
  ['W/ETAG', true],
  ['*', true],
  ['"a", "b"', false],
  ['ETAG.', false],
])('a client that holds %s has the answer: %s', async (holds, has) => {
  const { get, etag } = await bundle();
  expect((await get({ 'if-none-match': holds.replace('ETAG', etag) })).status).toBe(has ? 304 : 200);
});

it('a part of an answer that was read whole costs as much as the whole', async () => {
  const body = new Uint8Array(1_000);
  const app = new Hono<HttpEnv>().get('/', (c) =>
    answerWith(c, { body, etag: '"a"', type: 'application/octet-stream', cache: 'no-cache' }, () => {}),
  );
  let sent = 0;
  const count = (bytes: number) => {
    sent += bytes;
    return 0;
  };
  const account = { pay() {}, sent: count, isWaiting: false };
  const part = await app.request('/', { headers: { range: 'bytes=0-0' } }, { account });
  expect([part.status, (await part.arrayBuffer()).byteLength, sent]).toEqual([206, 1, 999]);
});

it('a range is a part of its body, whatever is asked for', () => {
  const number = fc.oneof(fc.nat(40).map(String), fc.constant(''));
  fc.assert(
    fc.property(number, number, fc.nat(20), (first, last, size) => {
      const range = rangeOf(`bytes=${first}-${last}`, size);
      if (range === undefined || range === 'none') return;
      expect(range.from).toBeGreaterThanOrEqual(0);
      expect(range.bytes).toBeGreaterThan(0);
      expect(range.from + range.bytes).toBeLessThanOrEqual(size);
    }),
  );
});

it('a file is read from any byte on, and no block before it is', async () => {
  const own = await store();
  const mib = 2 ** 20;
  const bytes = noiseBytes(3 * mib + 5);
  const { root } = await own.importTar(await tar([{ name: 'large', body: bytes }]), { into: own.public });
  const cid = (await own.resolve(root, 'large'))?.cid ?? '';
  for (const skip of [0, 1, mib - 1, mib, mib + 1, 2 * mib + 7, 3 * mib + 4, 3 * mib + 5, 4 * mib]) {
    const chunks = await collect(own.readFile(cid, { skip }));
    expect(Buffer.concat(chunks).equals(bytes.subarray(skip)), String(skip)).toBe(true);
    expect(chunks.length).toBe(skip >= bytes.length ? 0 : 4 - Math.floor(skip / mib));
  }
});
