import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const script = join(root, 'scripts', 'setup.js');
let temp: string;

function setup(args: string[], pathFirst?: string) {
  const path = [pathFirst, process.env.PATH].filter((part) => part !== undefined).join(':');
  const run = spawnSync(process.execPath, [script, ...args], {
    encoding: 'utf8',
    env: { ...process.env, PATH: path },
    timeout: 120_000,
  });
  return { code: run.status, out: run.stdout, err: run.stderr };
}

beforeAll(() => {
  temp = mkdtempSync(join(tmpdir(), 'quorate-setup-'));
});
afterAll(() => rmSync(temp, { recursive: true, force: true }));

describe('setup', () => {
  it('is silent and content where the tests run', () => {
    expect(setup(['--for', 'test'])).toEqual({ code: 0, out: '', err: '' });
  });

  it('knows every purpose that scripts name', () => {
    const files = ['package.json', '.ci/run'].map((file) => readFileSync(join(root, file), 'utf8'));
    const named = [...files.join('\n').matchAll(/setup\.js --for (\w+)/g)].map(
      ([, purpose]) => purpose ?? '',
    );
    expect(named).toContain('matrices');
    // Something may be missing (3); an unknown purpose is wrong use (2), and a need that is not described ends it (1).
    for (const purpose of new Set(named))
      expect([0, 3], purpose).toContain(setup(['--for', purpose, '--check']).code);
  });

  it('names a program that is too old, why it is needed, and the command that brings it', () => {
    writeFileSync(join(temp, 'bwrap'), '#!/bin/sh\necho bubblewrap 0.8.0\n');
    chmodSync(join(temp, 'bwrap'), 0o755);
    const { code, out, err } = setup(['--for', 'demo', '--check'], temp);
    expect({ code, out }).toEqual({ code: 3, out: '' });
    expect(err).toContain('runs builds in a sandbox');
    expect(err).toContain('is 0.8.0, 0.11 or newer is needed');
  });

  it('knows what every tier of sandbox needs, and is content where it is there', () => {
    expect(setup(['--for', 'worker'])).toEqual({ code: 0, out: '', err: '' });
  });

  it('says how it is used', () => {
    const said = { out: '', err: expect.stringMatching(/^usage: node scripts\/setup\.js/) };
    expect(setup(['--for', 'worker', '--help'])).toEqual({ code: 0, ...said });
  });

  it.each([['--for', 'lunch'], ['--for'], ['extra']])('refuses %s %s', (...args) => {
    expect(setup(args)).toMatchObject({ code: 2, out: '' });
  });
});
