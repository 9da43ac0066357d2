import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { fetchPack, NoPack } from '../../../src/source/fetch-pack.ts';
import { parseGitUrl } from '../../../src/source/url.ts';
import { listen } from '../../source/support.ts';
import { some } from './support.ts';

/** Asks a server that answers with these bytes, in one write, and then resets the connection. Gives why there is no pack. */
async function asked(protocol: 'http' | 'git', answer: string): Promise<string> {
  const port = await listen((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.write(answer, () => setTimeout(() => socket.resetAndDestroy(), 20)));
  });
  // Nobody waits for such an error: it ends the process, and with it all builds of a worker.
  const uncaught: string[] = [];
  const keep = ({ message }: Error) => uncaught.push(message);
  process.prependListener('uncaughtException', keep);
  onTestFinished(() => void process.off('uncaughtException', keep));
  const packs = fetchPack({
    url: parseGitUrl(`${protocol}://127.0.0.1:${port}/r`),
    commit: some,
    connect: async () => {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      return socket;
    },
    signal: AbortSignal.timeout(60_000),
    onLife: () => {},
  });
  const error = await packs.next().catch((thrown: unknown) => thrown);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(uncaught).toEqual([]);
  expect(error).toBeInstanceOf(NoPack);
  return (error as NoPack).message;
}

const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/x-git-upload-pack-result\r\n';

it.each([
  ['a chunk that is none, beside the head', `${head}transfer-encoding: chunked\r\n\r\nZZZ\r\n`, 'chunk size'],
  [
    'a switch to another protocol',
    'HTTP/1.1 101 x\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
    'without an',
  ],
  ['two lengths', `${head}content-length: 4\r\ncontent-length: 5\r\n\r\n0000`, 'Content-Length'],
  ['a head without end', `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(100_000)}`, 'Header overflow'],
  ['half an answer', `${head}content-length: 100\r\n\r\n0000`, 'no pack'],
  ['no HTTP', '\x16\x03\x01\x00\x05hello', 'Expected HTTP'],
  ['nothing', '', ''],
])('a server that answers by http with %s fails the checkout only', async (_, answer, why) => {
  expect(await asked('http', answer)).toContain(why);
});

it.each([
  ['no packets', 'HTTP/1.1 404 x\r\n\r\n', 'bad line length'],
  ['a packet that is cut off', '0fff', ''],
  ['capabilities without end', `000eversion 2\n${'0006ab'.repeat(100)}`, 'too many'],
])('a server that answers by git with %s fails the checkout only', async (_, answer, why) => {
  expect(await asked('git', answer)).toContain(why);
});
