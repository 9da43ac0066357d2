import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { sourceLimits } from '../../src/source/limits.ts';
import { serveFolder } from '../../src/source/serve-folder.ts';
import { withLimits } from '../support/with-limits.ts';
import { codeOf, commitAll, folder, git, repo } from './support.ts';

const exec = promisify(execFile);

/** Git, while this process serves. */
const asked = async (cwd: string, ...args: string[]): Promise<string> =>
  (await exec('git', args, { cwd, timeout: 60_000, env: { PATH: process.env.PATH, LC_ALL: 'C' } })).stdout;

async function served(): Promise<{ dir: string; port: number; url: string; close(): Promise<void> }> {
  const dir = await repo();
  writeFileSync(join(dir, 'a'), 'first\n');
  commitAll(dir);
  const { port, close } = await serveFolder(dir, { name: 'tool', port: 0 });
  onTestFinished(close);
  return { dir, port, url: `git://127.0.0.1:${port}/tool`, close };
}

const request = 'git-upload-pack /tool\0host=127.0.0.1\0';
const packet = `00${(request.length + 4).toString(16)}${request}`;

/** Its whole answer to these bytes, until it closes the connection. */
async function said(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.on('error', () => {});
  socket.write(bytes);
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
}

it('a folder is served as it is now, to this machine, in both versions of the protocol', async () => {
  const { dir, url } = await served();
  for (const version of ['0', '2']) {
    writeFileSync(join(dir, 'a'), `version ${version}\n`);
    const commit = commitAll(dir);
    const clone = join(await folder(), 'clone');
    await asked(dir, '-c', `protocol.version=${version}`, 'clone', '-q', url, clone);
    expect(git(clone, 'rev-parse', 'HEAD')).toBe(commit);
  }
});

it('no other repository is served, and none is written to', async () => {
  const { dir, port, url } = await served();
  for (const other of [url.replace('tool', 'other'), `${url}/../..`, url.replace('tool', 'tool/.git')])
    await expect(asked(dir, 'ls-remote', other), other).rejects.toThrow(/there is only \/tool here/);
  await expect(asked(dir, 'push', '-q', url, 'HEAD:refs/heads/x')).rejects.toThrow(/only read/);
  expect(git(dir, 'branch', '--list', 'x')).toBe('');
  const archive = 'git-upload-archive /tool\0';
  expect(await said(port, `00${(archive.length + 4).toString(16)}${archive}`)).toContain('ERR ');
});

it('requests that are none, or too long, end the connection', async () => {
  const { port } = await served();
  const long = (sourceLimits.servedRequestBytesMax + 1).toString(16).padStart(4, '0');
  for (const bytes of ['GET / HTTP/1.1\r\n\r\n', 'zzzz', '0003', '-001', `${long}git-upload-pack`])
    expect(await said(port, bytes)).toBe('');
});

it('a connection on which nothing is fetched gives way to one that fetches, the oldest first', async () => {
  withLimits(sourceLimits, { servedAtOnceMax: 2 });
  const { dir, port, url } = await served();
  const ended: number[] = [];
  const idle: Socket[] = [];
  onTestFinished(() => idle.forEach((socket) => void socket.destroy()));
  for (const n of [0, 1]) {
    const socket = connect(port, '127.0.0.1').on('close', () => ended.push(n));
    idle.push(socket);
    await once(socket, 'connect');
  }
  await asked(dir, 'ls-remote', url);
  expect(ended).toEqual([0]);
});

it('more fetches than may be at once are refused, and go on', async () => {
  withLimits(sourceLimits, { servedAtOnceMax: 1 });
  const { port } = await served();
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.write(packet);
  await once(socket, 'data');
  expect(await said(port, packet)).toBe('');
  expect(socket.destroyed).toBe(false);
});

it.each([
  ['a request that comes byte by byte', { servedRequestMsMax: 100, servedRequestBytesMax: 2 ** 16 }, ''],
  ['a fetch that goes on and on', { servedMsMax: 300 }, packet],
])('%s ends in time', async (_, limits, begin) => {
  withLimits(sourceLimits, limits);
  const { port } = await served();
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  // A packet of 65,516 bytes.
  socket.write(`${begin}fff0`);
  const more = setInterval(() => socket.write('0'), 20);
  onTestFinished(() => clearInterval(more));
  socket.resume();
  await new Promise((resolve) => socket.once('close', resolve));
});

it('its end ends fetches, with their programs', async () => {
  const { port, close, dir } = await served();
  const socket = connect(port, '127.0.0.1');
  socket.write(packet);
  await once(socket, 'data');
  const running = async () =>
    (await exec('ps', ['-eo', 'args'])).stdout
      .split('\n')
      .filter((line) => line.includes('upload-pack') && line.includes(dir));
  expect((await running()).length).toBeGreaterThan(0);
  const closed = once(socket, 'close');
  await close();
  await closed;
  await expect.poll(running, { timeout: 30_000 }).toEqual([]);
});

it('a port that is taken is an error', async () => {
  const { dir, port } = await served();
  expect(await codeOf(serveFolder(dir, { name: 'tool', port }))).toBe('SOURCE_SERVE_FAILED');
});
