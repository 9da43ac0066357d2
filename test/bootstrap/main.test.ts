import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { folder, node, until } from '../mesh/harness.ts';
import { caches } from '../support/caches.ts';
import { programFolder, quietFlag } from '../support/program.ts';

const MAIN = join(programFolder, 'bootstrap.js');
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) await kill(child, 'SIGKILL');
});

async function kill(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }
  return child.exitCode;
}

function start(...args: string[]) {
  const child = spawn(process.execPath, [quietFlag, MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...caches },
  });
  children.push(child);
  const output = { out: '', err: '' };
  child.stdout.on('data', (data) => {
    output.out += data;
  });
  child.stderr.on('data', (data) => {
    output.err += data;
  });
  // At `close` both streams have been read to their end; at `exit` output may still be missing.
  const exit = once(child, 'close').then(([code]) => code as number | null);
  return { child, output, exit };
}

async function listening(port = 0, ...args: string[]) {
  const started = start('--listen', `/ip4/127.0.0.1/tcp/${port}`, '--json', ...args);
  await until('it listens', () => started.output.out.includes('\n') || started.output.err !== '');
  expect(started.output.err).toBe('');
  const line = JSON.parse(started.output.out) as { event: string; id: string; addresses: string[] };
  return { ...started, ...line };
}

describe('the bootstrap program', () => {
  test('prints its addresses, keeps its key, and stops when it is asked to', async () => {
    const key = join(folder(), 'state', 'key');
    const first = await listening(0, '--key', key);
    expect(first.event).toBe('listening');
    expect(first.addresses).toEqual([expect.stringContaining(`/p2p/${first.id}`)]);
    expect(statSync(key).mode & 0o777).toBe(0o600);
    const mesh = await node({ bootstrap: first.addresses });
    await until('connected', () => mesh.connected().length === 1);
    expect(await kill(first.child, 'SIGTERM')).toBe(0);
    const second = await listening(0, '--key', key);
    expect(second.id).toBe(first.id);
    expect(await kill(second.child, 'SIGINT')).toBe(0);
  });

  test('plain output is one address a line; an announced address replaces the one listened on', async () => {
    const { output } = start(
      '--listen',
      '/ip4/127.0.0.1/tcp/0',
      '--announce',
      '/dns4/boot.example.org/tcp/4001',
    );
    await until('it listens', () => output.out.includes('\n'));
    expect(output.out).toMatch(/^\/dns4\/boot\.example\.org\/tcp\/4001\/p2p\/12D3\w+\n$/);
  });

  test('a port in use, a bad key file and wrong usage end with a code', async () => {
    const first = await listening();
    const port = Number(first.addresses[0]?.split('/')[4]);
    const inUse = start('--listen', `/ip4/127.0.0.1/tcp/${port}`, '--json');
    expect(await inUse.exit).toBe(3);
    expect(JSON.parse(inUse.output.err)).toMatchObject({ event: 'error', code: 'MESH_LISTEN_FAILED' });
    const key = join(folder(), 'key');
    writeFileSync(key, 'not a key\n');
    const badKey = start('--listen', '/ip4/127.0.0.1/tcp/0', '--key', key);
    expect(await badKey.exit).toBe(3);
    expect(badKey.output.err).toContain('BOOTSTRAP_KEY_INVALID');
    expect(readFileSync(key, 'utf8')).toBe('not a key\n');
    const usage = start();
    expect(await usage.exit).toBe(2);
    expect(usage.output.err).toContain('--listen');
  });
});
