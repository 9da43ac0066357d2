import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../examples/demo/free-port.ts';

const file = join(import.meta.dirname, '../../examples/demo/free-port.ts');

/** As another process asks, which has ended then. */
async function inProcess(first?: number): Promise<number> {
  const asked = `const { freePort } = await import(${JSON.stringify(file)}); console.log(await freePort(${first}));`;
  const args = ['--input-type=module', '--eval', asked];
  return Number((await promisify(execFile)(process.execPath, args)).stdout);
}

it('a port is none that Linux gives to connections, unless it gives nearly all', async () => {
  const range = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s/).map(Number);
  const [first = 0] = range;
  expect(await freePort()).toBeLessThan(first > 11_000 ? first : 32_768);
});

it('a port is of one process until it ends', async () => {
  const port = await freePort();
  expect(await freePort(port)).not.toBe(port);
  expect(await inProcess(port)).not.toBe(port);
});

it('a port is none on which a program listens', async () => {
  const port = await inProcess();
  const server = createServer().listen(port, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  expect(await freePort(port)).not.toBe(port);
});
