import { readFile, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packet, packetsOf } from '../../src/source/fetch-pack.ts';
import { checkout, codeOf, commitAll, folder, git, listen, oldServer, serve, serveHttp } from './support.ts';

const dest = async (): Promise<string> => join(await folder(), 'out');

async function project(...more: string[]): Promise<{ dir: string; commit: string }> {
  const dir = await folder();
  git(dir, 'init', '-q', '-b', 'main', ...more);
  await writeFile(join(dir, 'f'), 'before');
  commitAll(dir);
  await writeFile(join(dir, 'f'), 'what was committed');
  return { dir, commit: commitAll(dir) };
}

/** Runs of git: with access to the server, or without. */
function watched() {
  const reached: string[] = [];
  return {
    reached,
    wrap: (command: string[], reach: string) => {
      reached.push(reach);
      return command;
    },
  };
}

function opened(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => resolve(socket));
  });
}

describe('a pack that this process fetches', () => {
  it.each([
    ['git', 'sha1', serve],
    ['git', 'sha256', serve],
    ['http', 'sha1', serveHttp],
  ] as const)('by %s, %s, holds the files, and git reaches no server', async (_, format, start) => {
    const { dir, commit } = await project(`--object-format=${format}`);
    const url = await start(dir);
    const out = await dest();
    const { reached, wrap } = watched();
    await checkout(url, commit, out, { wrap, connect: () => opened(url) });
    expect(await readFile(join(out, 'f'), 'utf8')).toBe('what was committed');
    expect(reached).toEqual(['nothing']);
  });

  it('comes from git itself where the server speaks an older version, and where git is wrapped without a way for others', async () => {
    const { dir, commit } = await project();
    const url = await serve(dir);
    const old = await oldServer(url);
    for (const [from, more] of [
      [old, { connect: () => opened(old) }],
      [url, {}],
    ] as const) {
      const { reached, wrap } = watched();
      const out = await dest();
      await checkout(from, commit, out, { wrap, ...more });
      expect(await readFile(join(out, 'f'), 'utf8')).toBe('what was committed');
      expect(reached).toContain('server');
    }
  });

  it('is asked for once where the server does not have the commit', async () => {
    const { dir } = await project();
    const url = await serve(dir);
    const { reached, wrap } = watched();
    const asking = checkout(url, 'a'.repeat(40), await dest(), { wrap, connect: () => opened(url) });
    expect(await codeOf(asking)).toBe('SOURCE_COMMIT_NOT_FOUND');
    // The commit by itself, and the branches without and with their history, as `ref` is absent.
    expect(reached.filter((reach) => reach === 'server')).toHaveLength(2);
  });

  it('closes its connection, whether it is taken or not', async () => {
    const { dir, commit } = await project();
    const url = await serve(dir);
    const sockets: Socket[] = [];
    const options = {
      connect: async () => {
        const socket = await opened(url);
        sockets.push(socket);
        return socket;
      },
    };
    expect(await codeOf(checkout(url, commit, await dest(), { ...options, maxBytes: 1 }))).toBe(
      'SOURCE_TOO_LARGE',
    );
    await checkout(url, commit, await dest(), options);
    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, true]);
  });
});

describe('a server that answers with', () => {
  const version = '000eversion 2\n0000';
  const some = 'b'.repeat(40);
  const band = (number: number, bytes: string): string => packet(String.fromCharCode(number) + bytes);

  async function answering(...parts: string[]): Promise<string> {
    const port = await listen((socket) => {
      socket.once('data', () => socket.end(Buffer.from(parts.join(''), 'latin1')));
    });
    return `git://127.0.0.1:${port}/x`;
  }

  it.each([
    [
      'an error in the pack',
      [version, 'packfile\n', band(1, 'PACK'), band(3, 'the disk is gone'), '0000'],
      /disk is gone/,
    ],
    ['half a pack', [version, packet('packfile\n'), band(1, 'PACK')], /unexpected end/],
    [
      'no pack after its first bytes',
      [version, packet('packfile\n'), band(1, 'PACK'), 'zzzz'],
      /bad line length/,
    ],
    ['a pack that is none', [version, packet('packfile\n'), band(1, 'PACK'), '0000'], /early EOF/],
  ])('%s', async (_, parts, message) => {
    const [first, ...rest] = parts.map((part) => (part === 'packfile\n' ? packet(part) : part));
    const asking = checkout(await answering(first ?? '', ...rest), some, await dest());
    await expect(asking).rejects.toMatchObject({
      code: 'SOURCE_SERVER_ERROR',
      message: expect.stringMatching(message),
    });
  });

  it('more than the source may hold', async () => {
    const url = await answering(version, packet('packfile\n'), band(1, 'x'.repeat(60_000)), '0000');
    expect(await codeOf(checkout(url, some, await dest(), { maxBytes: 50_000 }))).toBe('SOURCE_TOO_LARGE');
  });

  it('another commit', async () => {
    const { dir, commit } = await project();
    const url = await serve(dir);
    const { port } = new URL(url);
    const liar = await listen((client) => {
      const upstream = connect(Number(port), '127.0.0.1');
      upstream.on('error', () => client.destroy());
      client.on('data', (chunk: Buffer) =>
        upstream.write(Buffer.from(chunk.toString('latin1').replace(some, commit), 'latin1')),
      );
      upstream.pipe(client);
    });
    const lying = `git://127.0.0.1:${liar}/.git`;
    expect(await codeOf(checkout(lying, some, await dest()))).toBe('SOURCE_SERVER_ERROR');
  });
});

describe('packets', () => {
  async function read(chunks: Buffer[]): Promise<string[]> {
    async function* stream(): AsyncGenerator<Buffer> {
      yield* chunks;
    }
    const found: string[] = [];
    for await (const one of packetsOf(stream())) found.push(Buffer.isBuffer(one) ? `"${one}"` : one);
    return found;
  }

  it('are the same however their bytes arrive', async () => {
    const bytes = Buffer.from(`${packet('one')}0000${packet('')}0001${packet('two\n')}0002`);
    const all = ['"one"', 'flush', '""', 'delimiter', '"two\n"', 'end'];
    expect(await read([bytes])).toEqual(all);
    for (let at = 0; at <= bytes.length; at += 1)
      expect(await read([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(all);
    expect(await read([...bytes].map((byte) => Buffer.of(byte)))).toEqual(all);
  });

  it.each(['0003', 'fff1', 'ffff', 'zzzz', '-001', '0x10', '0 04', 'GET /', '0009one', '00'])(
    'are not %s',
    async (text) => {
      await expect(read([Buffer.from(text)])).rejects.toThrow(/^(bad line length|unexpected end)/);
    },
  );
});
