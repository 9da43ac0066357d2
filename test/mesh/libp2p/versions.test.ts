import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const root = new URL('../../../', import.meta.url);
const folder = new URL('src/mesh/libp2p/', root);
const page = readFileSync(new URL('README.md', folder), 'utf8');

const namesIn = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
const rows = [...page.matchAll(/^\| `(.+?)` \| (\d\S*) \| .+? \| (.+?) \| (.+?) \|$/gm)].map(
  ([, name = '', version = '', files = '', tests = '']) => ({
    name,
    version,
    files: namesIn(files),
    tests: namesIn(tests),
  }),
);

it.each(rows)('$name has the version that its patches were tested with', ({ name, version, tests }) => {
  const installed = JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, root), 'utf8'));
  const advice = `read src/mesh/libp2p/README.md, run "npx vitest run ${tests.join(' ')}", then change the row of ${name}`;
  expect(installed.version, advice).toBe(version);
});

it('the table names each patch, and tests that exist', () => {
  const patches = readdirSync(folder).filter((file) => file.endsWith('.ts'));
  expect([...new Set(rows.flatMap(({ files }) => files))].sort()).toEqual(patches.sort());
  const tests = rows.flatMap((row) => row.tests);
  expect(tests.filter((test) => !existsSync(new URL(test, root)))).toEqual([]);
  expect(rows.filter((row) => row.tests.length === 0)).toEqual([]);
});
