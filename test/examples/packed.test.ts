import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { Cluster } from '../e2e/support/cluster.ts';
import { until } from '../e2e/support/wait.ts';
import { copyCheckout } from './checkout.ts';

const temp = mkdtempSync(join(tmpdir(), 'quorate-packed-'));
let npx: ChildProcess | undefined;

afterAll(async () => {
  if (npx?.pid !== undefined && npx.exitCode === null) {
    const ended = new Promise((resolve) => npx?.once('close', resolve));
    process.kill(-npx.pid, 'SIGTERM');
    await ended;
  }
  rmSync(temp, { recursive: true, force: true, maxRetries: 3 });
});

/** The programs of this machine, without those of this checkout: the Node of whoever joins may be an old one. */
const PATH = (process.env.PATH ?? '')
  .split(':')
  .filter((folder) => !folder.includes('node_modules'))
  .join(':');

/** The tarball that `npm pack` makes of a copy of this checkout. */
function pack(): string {
  const copy = join(temp, 'copy');
  copyCheckout(copy);
  const args = ['pack', '--ignore-scripts', '--pack-destination', temp];
  execFileSync('npm', args, { cwd: copy, timeout: 240_000, stdio: 'ignore', env: { ...process.env, PATH } });
  return join(temp, readdirSync(temp).find((name) => name.endsWith('.tgz')) ?? '');
}

/** An npm cache of its own, so that nothing is left in this machine's, with what was downloaded before. */
function cache(): string {
  const own = join(temp, 'cache');
  const env = { ...process.env, PATH };
  const known = execFileSync('npm', ['config', 'get', 'cache'], { cwd: temp, env, encoding: 'utf8' }).trim();
  mkdirSync(own);
  mkdirSync(join(known, '_cacache'), { recursive: true });
  symlinkSync(realpathSync(join(known, '_cacache')), join(own, '_cacache'));
  return own;
}

it('one line in an empty folder joins the mesh, from the packed tarball alone', async () => {
  const cluster = await Cluster.start();
  const ticket = await cluster.ticket('stranger');
  const tarball = pack();
  const empty = join(temp, 'empty');
  mkdirSync(empty);
  const joining = [
    'join',
    ticket,
    '--yes',
    '--tier',
    'namespace',
    '--listen',
    '/ip4/127.0.0.1/tcp/0',
    '--json',
  ];
  const line = ['--yes', `--package=${tarball}`, 'quorate', ...joining];
  const { npm_config_user_agent: _, ...around } = process.env;
  const env = { ...around, PATH, npm_config_cache: cache(), QUORATE_HOME: join(temp, 'home') };
  npx = spawn('npx', line, { cwd: empty, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [npx.stdout, npx.stderr])
    stream?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  await until(
    'the stranger to be connected',
    () => {
      if (npx?.exitCode !== null) throw new Error(`it ended: ${said}`);
      return said.includes('"event":"connected"');
    },
    240_000,
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${said.slice(-2_000)}`);
  });
  const present = await cluster.control.event('present');
  expect(present.data).toMatchObject({ operator: 'stranger' });
  expect(readdirSync(empty)).toEqual([]);
});
