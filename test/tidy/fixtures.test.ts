import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { rules } from './house/rules.ts';
import { lineAt, root, type Source } from './house/source.ts';

const fixtures = join(import.meta.dirname, 'fixtures');

/** Files of a fixture, each after a line `=== path`; lines that a rule must find say FOUND. */
function filesOf(fixture: string): Source[] {
  const text = readFileSync(join(fixtures, fixture), 'utf8').replaceAll('{root}', root);
  return text
    .split(/^=== /m)
    .slice(1)
    .map((part) => {
      const [path = '', ...lines] = part.split('\n');
      return { path, text: lines.join('\n') };
    });
}

function marked({ path, text }: Source): string[] {
  return [...text.matchAll(/FOUND/g)].map(({ index }) => `${path}:${lineAt(text, index)}`);
}

describe('each rule finds what it is for, and nothing else', () => {
  it.each(Object.entries(rules))('%s', (name, rule) => {
    const files = filesOf(`${name}.txt`);
    const expected = files.flatMap(marked);
    expect(expected).not.toEqual([]);
    const found = new Set(rule(files).map(({ path, line }) => `${path}:${line}`));
    expect([...found].sort()).toEqual(expected.sort());
    expect(new Set(rule(files).map((finding) => finding.rule))).toEqual(new Set([name]));
  });
});

describe('the settings of src/protocol', () => {
  const compile = (name: string) => {
    const run = spawnSync(
      join(root, 'node_modules', '.bin', 'tsc'),
      ['-p', join(fixtures, 'core-project', `tsconfig.${name}.json`)],
      { encoding: 'utf8', timeout: 25_000 },
    );
    return { code: run.status, out: run.stdout };
  };

  it('compile what imports nothing', () => expect(compile('imports-nothing')).toEqual({ code: 0, out: '' }));

  it('do not compile an import of node:fs', () => {
    const { code, out } = compile('imports-node');
    expect(code).not.toBe(0);
    expect(out).toMatch(/imports-node\.ts.*node:fs/);
  });
});
