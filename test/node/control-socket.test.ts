import { chmod, mkdir, stat, writeFile } from 'node:fs/promises';
import { createServer, Server } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  type Answer,
  askControlSocket,
  connectControlSocket,
  serveControlSocket,
} from '../../src/node/control-socket.ts';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import { codeOf, folder } from '../support/code-and-folder.ts';

let path: string;

beforeEach(async () => {
  path = join(await folder(), 'control', 's');
});

const node = {
  process: 'node',
  absent: (at: string, cause: unknown) => new QuorateError('CONTROL_UNAVAILABLE', at, { cause }),
};
const ask = (request: unknown = {}) => askControlSocket(path, request, node);

async function serve(answer: Answer, at = path): Promise<() => Promise<void>> {
  const close = await serveControlSocket(at, answer);
  onTestFinished(close);
  return close;
}

describe('a control socket', () => {
  it('is for its user alone, in place of one of a process that died', async () => {
    await mkdir(join(path, '..'));
    await chmod(join(path, '..'), 0o755);
    await writeFile(path, '');
    await serve((request) => ({ heard: request }));
    expect((await stat(join(path, '..'))).mode & 0o777).toBe(0o700);
    expect(await ask({ a: 1 })).toEqual({ heard: { a: 1 } });
  });

  it('outlives a connection that the system could not hand over', async () => {
    const listening = vi.spyOn(Server.prototype, 'listen');
    onTestFinished(() => listening.mockRestore());
    await serve(() => ({ ok: true }));
    const [server] = listening.mock.contexts as Server[];
    server?.emit('error', new Error('accept ENOBUFS'));
    expect(await ask()).toEqual({ ok: true });
  });

  it('has a path that the system takes, in a folder that can be made', async () => {
    const dir = await folder();
    const longest = join(dir, 'p'.repeat(107 - 1 - Buffer.byteLength(dir)));
    await serve(() => ({}), longest);
    await expect(serve(() => ({}), `${longest}p`)).rejects.toMatchObject({ code: 'CONTROL_UNAVAILABLE' });
    await writeFile(join(dir, 'file'), '');
    await expect(serve(() => ({}), join(dir, 'file', 's'))).rejects.toMatchObject({
      code: 'CONTROL_UNAVAILABLE',
      message: expect.stringContaining(join(dir, 'file', 's')),
    });
  });

  it('answers with the error of a request, with its hint; another one is of a request that is not known', async () => {
    const coded = new QuorateError('JOB_NOT_FOUND' as never, 'x'.repeat(600), { hint: 'try' });
    await serve((request) => {
      throw request === 1 ? coded : new Error('no such request');
    });
    await expect(ask(1)).rejects.toMatchObject({ message: 'x'.repeat(500), hint: 'try' });
    await expect(ask(2)).rejects.toMatchObject({
      code: 'CONTROL_REQUEST_INVALID',
      message: 'no such request',
      hint: undefined,
    });
  });

  it('takes a line of 16 KiB and answers with one of a mebibyte, no longer', async () => {
    await serve((request) => ({ text: typeof request === 'number' ? 'x'.repeat(request) : 'short' }));
    const request = (bytes: number) => 'x'.repeat(bytes - '""\n'.length);
    expect(await ask(request(16 * 1024))).toEqual({ text: 'short' });
    await expect(ask(request(16 * 1024 + 1))).rejects.toMatchObject({ code: 'CONTROL_REQUEST_INVALID' });
    const longest = 1024 * 1024 - '{"ok":{"text":""}}\n'.length;
    expect(await ask(longest)).toEqual({ text: 'x'.repeat(longest) });
    await expect(ask(longest + 1)).rejects.toMatchObject({ code: 'CONTROL_LOST' });
  });

  it('takes an empty line for a request that is none', async () => {
    await serve(() => ({}));
    const socket = await connectControlSocket(path);
    socket.write('\n');
    expect(await text(socket)).toContain('Unexpected end of JSON input');
  });

  it('has sixteen connections at once, and ends with those that wait', async () => {
    const close = await serve(() => ({}));
    const idle = await Promise.all(Array.from({ length: 15 }, () => connectControlSocket(path)));
    expect(await ask()).toEqual({});
    idle.push(await connectControlSocket(path));
    await expect(ask()).rejects.toMatchObject({ code: 'CONTROL_LOST' });
    const ended = Promise.all(
      idle.map((socket) => new Promise((resolve) => socket.on('error', () => {}).once('close', resolve))),
    );
    await close();
    await ended;
    await expect(stat(path)).rejects.toThrow('ENOENT');
    expect(await codeOf(ask)).toBe('CONTROL_UNAVAILABLE');
  });

  it.each(['', 'no JSON\n', '{"ok":null}\n', '{"error":{"code":1}}\n'])(
    'that answers with %j is lost',
    async (answer) => {
      await mkdir(join(path, '..'));
      const server = createServer((socket) => socket.on('error', () => {}).end(answer));
      onTestFinished(() => void server.close());
      await new Promise<void>((resolve) => server.listen(path, resolve));
      expect(await codeOf(ask)).toBe('CONTROL_LOST');
    },
  );
});
