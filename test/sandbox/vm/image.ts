import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, realpathSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { SandboxImage } from '../../../sandbox/index.ts';

/** Programs that all of the tests' builds call, and the parts of Debian that no package names as its needs. */
const usual = 'perl bash coreutils dash tar util-linux grep sed findutils libc-bin mount hostname'.split(' ');

/** A compiler, and git: most of the bytes. */
const toBuild = ['gcc', 'libc6-dev', 'make', 'git'];

/** Not needed to build, and most of the bytes. */
const left = /^\/usr\/share\/(doc|man|locale|info|lintian|bug)\//;

/** An image in a folder, made of the files of this machine's own packages: the tools of every tier's tests are the same. */
export const toolImage = (folder: string): Promise<SandboxImage> => imageOf(folder, [...usual, ...toBuild]);

/** A smaller one, for builds that bring their programs. */
export const smallImage = (folder: string): Promise<SandboxImage> => imageOf(folder, usual);

async function imageOf(folder: string, packages: readonly string[]): Promise<SandboxImage> {
  const file = join(folder, 'tools.erofs');
  const list = join(folder, 'tools.list');
  writeFileSync(list, filesOf(withDependencies(packages)).join('\n'));
  const tar = spawn('tar', ['-C', '/', '-c', '-f', '-', '--no-recursion', '-T', list], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const make = spawn('mkfs.erofs', ['-T0', '-x-1', '--quiet', '--tar=f', file], {
    stdio: [tar.stdout, 'inherit', 'inherit'],
  });
  const [code] = await once(make, 'exit');
  if (code !== 0) throw new Error(`mkfs.erofs ended with ${code}`);
  return {
    cid: 'tools',
    directory: () => Promise.reject(new Error('a file system in a file only')),
    erofs: async () => file,
  };
}

function withDependencies(names: readonly string[]): string[] {
  const said = execFileSync('dpkg-query', ['-W', '-f', `\${Package}\t\${Depends}, \${Pre-Depends}\n`], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  const needs = new Map(
    said.split('\n').map((line): [string, string[]] => {
      const [name = '', depends = ''] = line.split('\t');
      return [name, depends.split(/[,|]/).map((need) => need.trim().split(/[ :]/)[0] ?? '')];
    }),
  );
  const all = new Set<string>();
  const add = (name: string): void => {
    if (name === '' || all.has(name) || !needs.has(name)) return;
    all.add(name);
    for (const need of needs.get(name) ?? []) add(need);
  };
  for (const name of names) add(name);
  return [...all];
}

/** Each with the folders above it, relative to the root. */
function filesOf(names: readonly string[]): string[] {
  const said = execFileSync('dpkg', ['-L', ...names], { encoding: 'utf8', maxBuffer: 2 ** 26 });
  const found = new Set<string>(['bin', 'lib', 'lib64', 'sbin']);
  for (const line of said.split('\n')) {
    if (!line.startsWith('/') || left.test(line)) continue;
    if (lstatSync(line, { throwIfNoEntry: false }) === undefined) continue;
    const path = join(realpathSync(dirname(line)), basename(line));
    if (!path.startsWith('/usr/')) continue;
    const parts = path.slice(1).split('/');
    for (const n of parts.keys()) found.add(parts.slice(0, n + 1).join('/'));
  }
  return [...found].sort();
}
