import { execFile, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkout } from '../support/checkout.ts';
import { programFolder } from '../support/program.ts';
import { testKey } from '../support/project.ts';

const dir = mkdtempSync(join(tmpdir(), 'quorate-container-'));
const storage = ['--root', join(dir, 'store'), '--runroot', join(dir, 'run'), '--storage-driver', 'vfs'];
/** Less than what a container would be given, which this account may not have itself. */
const limits = ['--ulimit', 'nofile=4096:4096', '--ulimit', 'nproc=4096:4096'];
const env = { ...process.env, BUILDAH_ISOLATION: 'chroot' };
let container = '';

/** In chroots, over the network of this host: other isolation needs what a test cannot count on. */
async function buildah(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('buildah', [...storage, ...args], { env, timeout: 240_000 });
  return stdout.trim();
}

beforeAll(async () => {
  const tar = join(dir, 'debian.tar');
  const include = ['--variant=minbase', '--include=ca-certificates,git,bubblewrap'];
  await promisify(execFile)('mmdebstrap', [...include, 'trixie', tar], { timeout: 600_000 });
  const base = await buildah('from', 'scratch');
  await buildah('add', '--quiet', base, tar, '/');
  await buildah('commit', '--quiet', base, 'localhost/debian');
  // As docs/deploy.md has npm make it.
  const modules = join(dir, 'context', 'root', 'node_modules');
  mkdirSync(join(modules, 'quorate', 'dist'), { recursive: true });
  for (const part of ['bin', 'package.json'])
    cpSync(join(checkout, part), join(modules, 'quorate', part), { recursive: true });
  cpSync(programFolder, join(modules, 'quorate', 'dist', 'program'), { recursive: true });
  const node = `node-linux-${process.arch}`;
  cpSync(join(checkout, 'node_modules', node), join(modules, node), { recursive: true, dereference: true });
  cpSync(join(checkout, 'deploy', 'entrypoint.sh'), join(dir, 'context', 'entrypoint.sh'));
  const file = ['--file', join(checkout, 'deploy', 'Containerfile')];
  const args = ['--build-arg', 'BASE=localhost/debian', '--build-arg', 'PACKAGES='];
  const where = ['--network', 'host', '--pull=never', '--tag', 'quorate', join(dir, 'context')];
  await buildah('build', ...limits, ...file, ...args, ...where);
  container = await buildah('from', ...limits, '--pull=never', 'localhost/quorate');
}, 900_000);

afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** The first line of a service as JSON, which is stopped then. */
async function firstLine(...command: string[]): Promise<Record<string, unknown>> {
  const words = ['run', '--network', 'host', container, '--', '/opt/quorate/entrypoint.sh', ...command];
  const service = spawn('buildah', [...storage, ...words, '--json'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const ended = new Promise((resolve) => service.once('close', resolve));
  try {
    for await (const line of createInterface({ input: service.stdout })) return JSON.parse(line);
    throw new Error('the service told nothing');
  } finally {
    if (service.pid !== undefined && service.exitCode === null) process.kill(-service.pid, 'SIGTERM');
    await ended;
  }
}

const loopback = ['--listen', '/ip4/127.0.0.1/tcp/0'];
const project = testKey('root').id;

describe('the image of deploy/Containerfile', () => {
  it('runs as a user of its own, and has the program with its Node', async () => {
    expect(await buildah('run', container, '--', 'id', '-u')).toBe('10001');
    const version = await buildah('run', container, '--', '/opt/quorate/entrypoint.sh', 'version');
    expect(version).toMatch(/^quorate .*Node 2[2-9]\./);
  });

  it('is a bootstrap node, or an artifact store, by its first word', async () => {
    const bootstrap = await firstLine('bootstrap', ...loopback, '--key', '/data/bootstrap.key');
    expect(bootstrap).toMatchObject({ event: 'listening', addresses: [expect.stringContaining('/tcp/')] });
    const [address] = bootstrap.addresses as string[];
    const where = ['--project', project, '--bootstrap', address ?? ''];
    expect(await firstLine('store', 'serve', ...where, ...loopback)).toMatchObject({
      event: 'listening',
      project,
      trees: 0,
    });
  });

  it('is controller and identity provider of the project in its folder', async () => {
    const quorate = ['run', '--network', 'host', container, '--', '/opt/quorate/entrypoint.sh'];
    await buildah('run', container, '--', 'git', 'init', '--quiet', '/data');
    await buildah(...quorate, 'init', '--name', 'tools', '--json');
    expect(await firstLine('controller', ...loopback)).toMatchObject({ event: 'listening' });
  });
});
