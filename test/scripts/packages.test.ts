import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { checkout } from '../support/checkout.ts';

let dir: string;
const at = (path: string): string => join(dir, path);
const lock = (version: string) => JSON.stringify({ packages: { '': {}, 'node_modules/a': { version } } });

/** A checkout whose npm notes that it was called, and installs version 2. */
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'quorate-packages-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  for (const folder of ['bin', 'scripts', 'node_modules', 'dist']) mkdirSync(at(folder));
  for (const path of ['bin/runtime.js', 'scripts/packages.js']) cpSync(join(checkout, path), at(path));
  writeFileSync(at('package.json'), '{"type":"module"}');
  writeFileSync(at('package-lock.json'), lock('2'));
  writeFileSync(
    at('npm.js'),
    `import { writeFileSync } from 'node:fs';
writeFileSync('called', process.argv[2]);
writeFileSync('node_modules/.package-lock.json', ${JSON.stringify(lock('2'))});`,
  );
});

function installed(version: string, ageSeconds: number): void {
  const path = at('node_modules/.package-lock.json');
  writeFileSync(path, lock(version));
  const then = Date.now() / 1000 - ageSeconds;
  utimesSync(path, then, then);
}

const run = (): void =>
  void execFileSync(process.execPath, [at('scripts/packages.js')], {
    env: { PATH: process.env.PATH, npm_execpath: at('npm.js') },
    stdio: 'ignore',
    timeout: 60_000,
  });

describe('the packages of a check', () => {
  it.each([['missing'], ['1']])('are brought where what is installed is %s', (version) => {
    if (version !== 'missing') installed(version, 10);
    run();
    expect(readFileSync(at('called'), 'utf8')).toBe('ci');
  });

  it('are left alone where they are those of the lock file', () => {
    installed('2', 10);
    run();
    expect(existsSync(at('called'))).toBe(false);
  });

  it('make tsc forget what it built before they came, and nothing else', () => {
    installed('2', 60);
    for (const [name, ageSeconds] of Object.entries({ old: 90, new: 30 })) {
      const path = at(`dist/${name}.tsbuildinfo`);
      writeFileSync(path, '{}');
      const then = Date.now() / 1000 - ageSeconds;
      utimesSync(path, then, then);
    }
    run();
    expect([existsSync(at('dist/old.tsbuildinfo')), existsSync(at('dist/new.tsbuildinfo'))]).toEqual([
      false,
      true,
    ]);
  });
});
