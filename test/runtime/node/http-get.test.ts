import { createServer, type RequestListener } from 'node:http';
import { gzipSync } from 'node:zlib';
import { expect, it, onTestFinished } from 'vitest';
import { getText } from '../../../src/runtime/node/http-get.ts';

async function server(answer: RequestListener): Promise<string> {
  const listening = createServer(answer);
  onTestFinished(() => {
    listening.closeAllConnections();
    listening.close();
  });
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const address = listening.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`;
}
const { signal } = new AbortController();
const get = (url: string, over: Partial<Parameters<typeof getText>[1]> = {}) =>
  getText(url, { etag: undefined, maxBytes: 100, signal, ...over });
const failed = { code: 'HTTP_FEED_FAILED' };

it('gets text up to its bound, after decompression', async () => {
  const url = await server(({ url: path }, response) => {
    const body = 'x'.repeat(Number(path?.slice(1)));
    response.setHeader('content-encoding', 'gzip').setHeader('etag', '"e"').end(gzipSync(body));
  });
  expect(await get(`${url}100`)).toEqual({ text: 'x'.repeat(100), etag: '"e"' });
  await expect(get(`${url}101`)).rejects.toMatchObject({
    ...{ ...failed, message: expect.stringContaining('sends more than 100 bytes') },
  });
});

it('says that nothing changed where it has the answer, and takes no such word otherwise', async () => {
  const asked: (string | undefined)[] = [];
  const url = await server(({ headers }, response) => {
    asked.push(headers['if-none-match']);
    response.writeHead(304).end();
  });
  expect(await get(url, { etag: '"e"' })).toBe('unchanged');
  await expect(get(url)).rejects.toMatchObject(failed);
  expect(asked).toEqual(['"e"', undefined]);
});

it('follows no redirect, and names what the server answered', async () => {
  const moved = await server((_, response) => response.writeHead(302, { location: '/' }).end());
  await expect(get(moved)).rejects.toMatchObject(failed);
  const absent = await server((_, response) => response.writeHead(404).end('{}'));
  await expect(get(absent)).rejects.toMatchObject({ message: expect.stringContaining('answered 404') });
  await expect(get('http://127.0.0.1:1/')).rejects.toMatchObject(failed);
});
