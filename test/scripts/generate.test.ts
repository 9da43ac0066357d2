import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { builtFiles, commandShapes, committedFiles } from '../support/generated.ts';
import { root } from '../tidy/house/source.ts';

const built = builtFiles();
const below = (folder: string) => [...built].filter(([path]) => path.startsWith(`${folder}/`));

describe('files that are made from the code', () => {
  it.each([...committedFiles()])(
    '%s is as the code says (node scripts/run.js scripts/generate.ts --write)',
    (path, text) => {
      expect(readFileSync(join(root, path), 'utf8')).toBe(text);
    },
  );

  it('are in the package where the build makes them', () => {
    const { files, directories } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    for (const path of built.keys()) expect(files, path).toContain(path.split('/').slice(0, 2).join('/'));
    expect(directories.man).toBe('dist/man');
  });

  it('link to pages that are there', () => {
    const pages = below('dist/docs').filter(([path]) => path.endsWith('.md'));
    const links = pages.flatMap(([path, text]) =>
      [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, to = '']) =>
        posix.join(posix.dirname(path), to),
      ),
    );
    expect(links.length).toBeGreaterThan(5);
    expect(links.filter((path) => !built.has(path) && !existsSync(join(root, path)))).toEqual([]);
  });

  it('explain every code that the page of keys names', () => {
    const codes = [...(built.get('dist/docs/keys.md') ?? '').matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)];
    expect(codes.length).toBeGreaterThan(20);
    const explained = built.get('dist/docs/errors.md') ?? '';
    expect(codes.filter(([, code]) => !explained.includes(`\n| \`${code}\` | `))).toEqual([]);
  });
});

describe('man pages', () => {
  const pages = below('dist/man');

  it('are there for each command', () => {
    const names = commandShapes().map(({ path }) => `dist/man/${['quorate', ...path].join('-')}.1`);
    expect(pages.map(([path]) => path)).toEqual(names);
  });

  it('show a value that is needed whole, also where a part of it is not', () => {
    const page = built.get('dist/man/quorate-controller.1');
    expect(page).toContain('\\fB\\-\\-metrics\\fR \\fI[host:]port\\fR\n');
  });

  it('are right for groff, where there is one', () => {
    try {
      execFileSync('groff', ['--version'], { stdio: 'ignore' });
    } catch {
      return;
    }
    const folder = mkdtempSync(join(tmpdir(), 'quorate-man-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    for (const [path, text] of pages) writeFileSync(join(folder, posix.basename(path)), text);
    const words = ['-c', 'groff -man -Tutf8 -ww ./* 2>&1 >/dev/null'];
    expect(execFileSync('sh', words, { cwd: folder, encoding: 'utf8', timeout: 60_000 })).toBe('');
  });
});
