import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Ending, ending } from '../cli/support.ts';
import { isRunning } from '../e2e/support/proc-files.ts';

const bin = join(import.meta.dirname, '..', '..', 'bin');
const packaged = `node-linux-${process.arch}`;
let temp: string;

/** A package with the real launcher and a program that says how it was started. */
function makePackage(
  path: string,
  program: 'src/cli/main.ts' | 'dist/program/quorate.js' | 'both' | 'none',
): string {
  const root = join(temp, path);
  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, 'package.json'), '{"type":"module"}');
  cpSync(bin, join(root, 'bin'), { recursive: true });
  for (const file of ['src/cli/main.ts', 'dist/program/quorate.js']) {
    if (program !== file && program !== 'both') continue;
    mkdirSync(dirname(join(root, file)), { recursive: true });
    const typed = file.endsWith('.ts') ? ': string' : '';
    writeFileSync(
      join(root, file),
      `import 'node:sqlite';
const file${typed} = '${file}';
const [verb, ...rest] = process.argv.slice(2);
if (verb === 'wait') {
  process.on('SIGTERM', () => process.exit(42));
  setTimeout(() => process.exit(1), 120_000);
}
if (verb === 'count') {
  let heard = 0;
  setInterval(() => {}, 60_000);
  process.on('SIGTERM', () => {
    heard++;
    if (heard === 1) setTimeout(() => process.exit(heard), 400);
  });
}
console.log(JSON.stringify({ file, verb, rest, version: process.version, pid: process.pid }));
if (verb === 'fail') process.exit(Number(rest[0]));
if (verb === 'die') process.kill(process.pid, 'SIGKILL');
`,
    );
  }
  return root;
}

function addPackagedNode(root: string, version = process.version.slice(1)): void {
  const folder = join(root, 'node_modules', packaged);
  mkdirSync(join(folder, 'bin'), { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ version }));
  symlinkSync(realpathSync(process.execPath), join(folder, 'bin', 'node'));
}

/** An old Node of this machine, if it has one; else this one under an old Node's name. */
function oldNode(): string[] {
  for (const folder of (process.env.PATH ?? '').split(':')) {
    const path = join(folder, 'node');
    if (folder.includes('node_modules') || !existsSync(path)) continue;
    const [major = 0] = execFileSync(path, ['--version'], { encoding: 'utf8' })
      .slice(1)
      .split('.')
      .map(Number);
    if (major >= 18 && major < 22) return [path];
  }
  const preload = join(temp, 'old.cjs');
  writeFileSync(preload, `Object.defineProperty(process, 'version', { value: 'v18.20.0' });`);
  return [process.execPath, '--require', preload];
}

function start(
  root: string,
  args: string[],
  node = [process.execPath],
  options: { detached?: boolean } = {},
): { child: ChildProcess; ended: Promise<Ending> } {
  const [command = '', ...flags] = node;
  const child = spawn(command, [...flags, join(root, 'bin', 'quorate.js'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, XDG_CACHE_HOME: join(temp, 'cache') },
    timeout: 120_000,
    ...options,
  });
  return { child, ended: ending(child) };
}

beforeAll(() => {
  temp = mkdtempSync(join(tmpdir(), 'quorate-launcher-'));
});
afterAll(() => rmSync(temp, { recursive: true, force: true }));

describe('on a recent Node', () => {
  it('runs the TypeScript of a checkout, quietly, with its arguments', async () => {
    const { code, out, err } = await start(makePackage('checkout', 'both'), ['say', '--a', 'b c']).ended;
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(JSON.parse(out)).toMatchObject({ file: 'src/cli/main.ts', verb: 'say', rest: ['--a', 'b c'] });
  });

  it('runs what was compiled in an installed package', async () => {
    const { code, out } = await start(makePackage('app/node_modules/quorate', 'both'), ['say']).ended;
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ file: 'dist/program/quorate.js' });
  });

  it('says so when there is nothing to run', async () => {
    const { code, err } = await start(makePackage('empty', 'none'), []).ended;
    expect(code).toBe(3);
    expect(err).toContain('npm run build');
  });

  it('keeps compiled code in a folder of the user, not under /tmp', async () => {
    const root = makePackage('cached', 'src/cli/main.ts');
    await start(root, ['say']).ended;
    expect(existsSync(join(temp, 'cache', 'quorate', 'compiled'))).toBe(true);
  });
});

describe('on an old Node', () => {
  it('names the version it wants and the line that brings it', async () => {
    const root = makePackage('alone', 'src/cli/main.ts');
    const { code, err } = await start(root, ['say'], oldNode()).ended;
    expect(code).toBe(3);
    expect(err).toContain('needs Node 22.19 or newer');
    expect(err).toContain(`npm ci --prefix ${realpathSync(root)}`);
  });

  it('hands over to the Node that came with the packages', async () => {
    const root = makePackage('handover', 'src/cli/main.ts');
    addPackagedNode(root);
    const said = await start(root, ['say', 'x'], oldNode()).ended;
    expect(said).toMatchObject({ code: 0, err: '' });
    expect(JSON.parse(said.out)).toMatchObject({ verb: 'say', rest: ['x'], version: process.version });
    expect(await start(root, ['fail', '7'], oldNode()).ended).toMatchObject({ code: 7 });
    expect(await start(root, ['die'], oldNode()).ended).toMatchObject({ code: 137 });
  });

  it('does not hand over to another old one', async () => {
    const root = makePackage('older', 'src/cli/main.ts');
    addPackagedNode(root, '20.0.0');
    expect(await start(root, ['say'], oldNode()).ended).toMatchObject({ code: 3 });
  });

  it('passes a signal on and ends as the program ends', async () => {
    const root = makePackage('signals', 'src/cli/main.ts');
    addPackagedNode(root);
    const { child, ended } = start(root, ['wait'], oldNode());
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 42 });
  });

  it('counts a signal to the whole group once', async () => {
    const root = makePackage('group', 'src/cli/main.ts');
    addPackagedNode(root);
    const { child, ended } = start(root, ['count'], oldNode(), { detached: true });
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    process.kill(-(child.pid ?? 0), 'SIGTERM');
    expect(await ended).toMatchObject({ code: 1 });
  });

  it('ends the program with the launcher, however that ends', async () => {
    const root = makePackage('together', 'src/cli/main.ts');
    addPackagedNode(root);
    const { child } = start(root, ['wait'], oldNode());
    const text = await new Promise<Buffer>((resolve) => child.stdout?.once('data', resolve));
    const { pid } = JSON.parse(String(text)) as { pid: number };
    expect(pid).not.toBe(child.pid);
    child.kill('SIGKILL');
    await expect.poll(() => isRunning(pid)).toBe(false);
  });
});
