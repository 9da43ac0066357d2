import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeBundle } from '../../src/protocol/documents/index.ts';
import { makeProject, project, testKey } from '../support/project.ts';
import { copyCheckout } from './checkout.ts';

const root = join(import.meta.dirname, '..', '..');
const modules = join(root, 'node_modules');
let temp: string;
/** A project of somebody else that has Quorate installed. */
let app: string;

function run(script: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], {
    cwd: app,
    encoding: 'utf8',
    timeout: 240_000,
    env: { PATH: process.env.PATH },
  });
  return { status, lines: stdout.trim().split('\n'), stderr };
}

/** The package as npm would publish it, compiled, packed and unpacked. */
beforeAll(async () => {
  temp = mkdtempSync(join(tmpdir(), 'quorate-embed-'));
  const copy = join(temp, 'copy');
  copyCheckout(copy);
  execFileSync(join(modules, '.bin', 'tsc'), ['-b', 'src'], { cwd: copy, timeout: 240_000 });
  rmSync(join(copy, 'node_modules'));
  execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', temp], {
    cwd: copy,
    timeout: 240_000,
    stdio: 'ignore',
  });
  const [tarball = ''] = readdirSync(temp).filter((name) => name.endsWith('.tgz'));
  app = join(temp, 'app');
  const installed = join(app, 'node_modules', 'quorate');
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['-xzf', join(temp, tarball), '-C', installed, '--strip-components=1']);
  symlinkSync(modules, join(installed, 'node_modules'));
  cpSync(join(root, 'examples', 'embed'), app, { recursive: true });
  writeFileSync(join(app, 'package.json'), '{"type":"module"}');
  const { bundle } = await makeProject();
  writeFileSync(join(app, 'good.bundle'), encodeBundle(bundle));
  const { draft } = await makeProject();
  writeFileSync(join(app, 'unsigned.bundle'), encodeBundle(draft));
});

afterAll(() => rmSync(temp, { recursive: true, force: true }));

describe('the package, as it would be published', () => {
  it('decides about a bundle in a program of others', () => {
    const yes = run('main.js', 'good.bundle', project);
    expect(yes).toMatchObject({ status: 0, stderr: '' });
    expect(yes.lines.at(-1)).toMatch(/^use bafy/);
    expect(yes.lines.filter((line) => line.startsWith('ok  '))).toHaveLength(11);

    const no = run('main.js', 'unsigned.bundle', project);
    expect(no).toMatchObject({ status: 1, stderr: '' });
    expect(no.lines.at(-2)).toMatch(/^NO {2}co-signature: /);
    expect(run('main.js', 'good.bundle', testKey('mallory').id).lines.at(-1)).toBe('do not use it');
    expect(run('main.js', 'good.bundle', project, 'refs/tags/v9').status).toBe(1);
  });

  it('takes a bundle apart so that openssl can check each signature', () => {
    expect(run('receipts.js', 'good.bundle', 'parts')).toMatchObject({ status: 0, stderr: '' });
    const parts = (name: string) => join(app, 'parts', name);
    const keys = readdirSync(join(app, 'parts')).filter((name) => name.endsWith('.pem'));
    expect(keys.sort()).toEqual([
      'receipt-0.pem',
      'receipt-1.pem',
      'receipt-2.pem',
      'receipt-3.pem',
      'verdict-controller.pem',
      'verdict-cosigner-1.pem',
    ]);
    const check = (envelopeFile: string, key: string, signature = 0) => {
      const envelope = JSON.parse(readFileSync(parts(envelopeFile), 'utf8'));
      const payload = Buffer.from(envelope.payload, 'base64');
      const type: string = envelope.payloadType;
      const signed = Buffer.concat([
        Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `),
        payload,
      ]);
      writeFileSync(parts('signed'), signed);
      writeFileSync(parts('signature'), Buffer.from(envelope.signatures[signature].sig, 'base64'));
      const args = ['-verify', '-rawin', '-pubin', '-inkey', parts(key), '-in', parts('signed')];
      return spawnSync('openssl', ['pkeyutl', ...args, '-sigfile', parts('signature')]).status;
    };
    expect(check('receipt-0.dsse.json', 'receipt-0.pem')).toBe(0);
    expect(check('receipt-3.dsse.json', 'receipt-3.pem')).toBe(0);
    expect(check('verdict.dsse.json', 'verdict-controller.pem')).toBe(0);
    expect(check('verdict.dsse.json', 'verdict-cosigner-1.pem', 1)).toBe(0);
    expect(check('receipt-0.dsse.json', 'receipt-1.pem')).toBe(1);
  });

  it('has the command, the licences, and no tests', () => {
    const installed = join(app, 'node_modules', 'quorate');
    const command = run(join(installed, 'bin', 'quorate.js'), 'version', '--json');
    expect(command.status).toBe(0);
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(JSON.parse(command.lines[0] ?? '')).toMatchObject({ version });
    expect(readdirSync(installed)).toEqual(expect.arrayContaining(['LICENSE', 'LICENSE-APACHE', 'bin']));
    expect(readdirSync(join(installed, 'dist')).sort()).toEqual(['program', 'src']);
  });

  it('has types that hold a program of others to what it may do', () => {
    writeFileSync(
      join(app, 'typed.ts'),
      `import { fetchArtifact, type Level, type Verification, verify } from 'quorate';
const verification: Verification = await verify('', { project: '' });
const level: Level = verification.level;
const { bytes, bundleText } = await fetchArtifact({ artifact: '', project: '', bootstrap: [], dest: '' });
// @ts-expect-error: a level is not a number
const wrong: number = level;
// @ts-expect-error: the project is what everything hangs on
await verify('', {});
export { bytes, bundleText, wrong };
`,
    );
    const tsc = join(modules, '.bin', 'tsc');
    const args = ['--noEmit', '--module', 'nodenext', '--target', 'es2024', '--strict', '--skipLibCheck'];
    const { status, stdout } = spawnSync(tsc, [...args, 'typed.ts'], { cwd: app, encoding: 'utf8' });
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  });

  it('offers what its front door says and no inner room', async () => {
    writeFileSync(
      join(app, 'doors.js'),
      `const inner = await import('quorate/dist/src/protocol/base/errors.js').then(() => 'open', (error) => error.code);
console.log(inner, Object.keys(await import('quorate')).sort().join(' '));`,
    );
    expect(run('doors.js').lines).toEqual([
      'ERR_PACKAGE_PATH_NOT_EXPORTED QuorateError decodeBundle escapeLine fetchArtifact filesOfLocks parseQuorateLock publicPemOf quorateLock readLocks verify writeQuorateLock',
    ]);
  });
});
