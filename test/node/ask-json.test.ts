import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { AskFailed, askJson } from '../../src/node/ask-json.ts';
import { nodeLimits } from '../../src/node/limits.ts';
import { withLimits } from '../support/with-limits.ts';

const { signal } = new AbortController();

async function server(answer: (response: ServerResponse) => void): Promise<URL> {
  const serving = createServer((_, response) => answer(response));
  onTestFinished(() => {
    serving.closeAllConnections();
    serving.close();
  });
  await new Promise<void>((resolve) => serving.listen(0, '127.0.0.1', resolve));
  return new URL(`http://127.0.0.1:${(serving.address() as AddressInfo).port}`);
}

const asked = (url: URL, of = signal) => askJson(url, { body: undefined, signal: of });

it('an answer is as long as it may be, and no longer', async () => {
  const url = await server((response) => void response.end('12345'));
  withLimits(nodeLimits, { askBytesMax: 5 });
  expect(await asked(url)).toEqual({ ok: true, status: 200, text: '12345' });
  withLimits(nodeLimits, { askBytesMax: 4 });
  await expect(asked(url)).rejects.toThrow(new AskFailed('it sends more than 4 bytes'));
});

it('a server that does not answer, leads elsewhere or is not there is an error of one line', async () => {
  const elsewhere = await server((response) => void response.writeHead(302, { location: '/x' }).end());
  await expect(asked(elsewhere)).rejects.toThrow(AskFailed);
  await expect(asked(new URL('http://127.0.0.1:9'))).rejects.toThrow(/ECONNREFUSED|bad port/);
  const silent = await server((response) => response.write('{'));
  withLimits(nodeLimits, { askMsMax: 300 });
  await expect(asked(silent)).rejects.toThrow(new AskFailed('no answer within 0.3 s'));
});

it('a question that its caller ends has the reason of that', async () => {
  const stop = new AbortController();
  const reason = new Error('enough');
  const silent = await server(() => stop.abort(reason));
  await expect(asked(silent, stop.signal)).rejects.toBe(reason);
});
