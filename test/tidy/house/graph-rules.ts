import { existsSync } from 'node:fs';
import { join, posix } from 'node:path';
import { type Finding, importsOf, isCode, root, type Source } from './source.ts';

const kept = /^(src|sandbox|bootstrap|simulations)\//;
/** Scripts of pages, which browsers load by their address. */
const ofPages = /^src\/http\/static\//;
const programs = [
  ...['src/cli/main.ts', 'src/index.ts', 'bootstrap/main.ts', 'simulations/main.ts'],
  // Threads, which no file imports.
  'src/dependencies/thread/lock-thread.ts',
  'src/controller/node/sbom-thread.ts',
  'src/controller/node/test-report-thread.ts',
  // Runs in a browser, and in place of `node:crypto` there (scripts/verify-page.js).
  ...['main', 'node-crypto'].map((name) => `src/http/verify-page/browser/${name}.ts`),
];

/** The build imports it (scripts/generate.ts). */
const ofTheBuild = 'test/support/generated.ts';

/** Code that nothing outside the tests imports is dead, however well it is tested. */
export function deadFiles(sources: readonly Source[]): Finding[] {
  const code = sources.filter(({ path }) => isCode(path));
  const imported = new Set(
    code
      .filter(({ path }) => !path.startsWith('test/') || path === ofTheBuild)
      .flatMap((source) =>
        importsOf(source).map(({ specifier }) => posix.join(posix.dirname(source.path), specifier)),
      ),
  );
  return code
    .filter(
      ({ path }) => kept.test(path) && !ofPages.test(path) && !programs.includes(path) && !imported.has(path),
    )
    .map(({ path }) => ({ rule: 'dead-files', path, line: 1, message: 'no program needs this file' }));
}

/** Links between the pages of the repository lead somewhere. */
export function deadLinks(sources: readonly Source[]): Finding[] {
  const files = new Set(sources.map(({ path }) => path));
  const folders = new Set(
    [...files].flatMap((path) => path.split('/').map((_, n, parts) => parts.slice(0, n).join('/'))),
  );
  return sources
    .filter(({ path }) => path.endsWith('.md'))
    .flatMap(({ path, text }) =>
      text.split('\n').flatMap((line, index) =>
        [...line.matchAll(/\]\(([^()\s]+)\)/g)].flatMap(([, link = '']) => {
          const [target = ''] = link.split('#');
          if (target === '' || /^[a-z]+:/.test(target)) return [];
          const to = posix.join(posix.dirname(path), decodeURIComponent(target)).replace(/\/$/, '');
          if (files.has(to) || folders.has(to)) return [];
          // Pictures are no text, and not among the sources.
          if (to.endsWith('.png') && existsSync(join(root, to))) return [];
          return [{ rule: 'dead-links', path, line: index + 1, message: `${link} leads nowhere` }];
        }),
      ),
    );
}
