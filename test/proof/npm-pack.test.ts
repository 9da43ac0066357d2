import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { Cluster } from '../e2e/support/cluster.ts';
import { git } from '../e2e/support/git.ts';
import { jobFile } from '../e2e/support/jobs.ts';

/** The registry's digests of each release. Its files, committed as a repository, are what is built here. */
const releases = {
  '7.3.0': 'sha512-7cIXg/Z0M5WZRblrsOla88S4wAK+zOQQWeBYfV3qJuJXMr+LnbYjaadrFaS0JILfEDPVqHyKnZ1Z/1d6J9VVUw==',
  '7.3.1': 'sha512-0trZaiG7Y7kN/Egy9a8j47t9osC0Tch4PaIWd9yGF6bvmlk7muExRvGNYb8sXBwEKMoNKsbNN9P8EefuQekE4Q==',
};
type Version = keyof typeof releases;
const versions = Object.keys(releases) as Version[];

interface Built {
  /** The fetched artifact, and the tarball in it. */
  folder: string;
  tarball: string;
  bundle: string;
  url: string;
  level: unknown;
}

const exec = promisify(execFile);

let cluster: Cluster;
const built = {} as Record<Version, Built>;
const registryFile = (version: Version) => join(cluster.dir, 'registry', `p-limit-${version}.tgz`);

/** The release as npm's own client brings it, unpacked and committed with a job file on top. */
async function repository(version: Version): Promise<string> {
  const name = `p-limit-${version}`;
  const dir = join(cluster.git.dir, name);
  await mkdir(join(cluster.dir, 'registry'), { recursive: true });
  await mkdir(dir, { recursive: true });
  const into = join(cluster.dir, 'registry');
  const quiet = ['--silent', '--pack-destination', into];
  await exec('npm', ['pack', `p-limit@${version}`, ...quiet], { cwd: cluster.dir, timeout: 120_000 });
  await exec('tar', ['-xzf', registryFile(version), '-C', dir, '--strip-components=1'], { timeout: 120_000 });
  await git(dir, 'init', '--quiet', '--initial-branch=main');
  const run = ['npm pack --pack-destination "$OUT"'];
  await writeFile(join(dir, 'quorate.yaml'), jobFile({ run, memory: '512MiB', time: '2m' }));
  return cluster.git.commitAll(name);
}

async function build(version: Version): Promise<Built> {
  const url = await repository(version);
  const run = await cluster.submit(url);
  const { code } = await run.end(120_000);
  expect(code, run.report()).toBe(0);
  const { level, artifact } = run.lines.at(-1) as { level?: unknown; artifact?: unknown };
  const bundle = join(cluster.dir, `${version}.bundle`);
  const fetched = await cluster.fetch(String(artifact), version, '--source', url, '--bundle-out', bundle);
  expect(fetched.code, fetched.report).toBe(0);
  const folder = cluster.fetched(version);
  return { folder, tarball: join(folder, `p-limit-${version}.tgz`), bundle, url, level };
}

beforeAll(async () => {
  cluster = await Cluster.start({ volunteers: ['ada', 'ben', 'cleo'], trusted: true });
  for (const version of versions) built[version] = await build(version);
});

async function verify(version: Version, path: string) {
  const args = ['verify', path, '--bundle', built[version].bundle, '--project', cluster.project];
  const { code, lines } = await cluster.cli([...args, '--source', built[version].url], { home: 'stranger' });
  return { exit: code, ...lines[0] };
}

async function isSame(version: Version): Promise<boolean> {
  return (await readFile(built[version].tarball)).equals(await readFile(registryFile(version)));
}

describe('a real npm package, packed from its published files by three operators and the trusted worker', () => {
  it.each(versions)('%s is trusted', async (version) => {
    expect(built[version].level).toBe('trusted');
    expect(await verify(version, built[version].folder)).toMatchObject({ exit: 0, level: 'trusted' });
    expect(await verify(version, built[version].tarball)).toMatchObject({ exit: 0, level: 'trusted' });
  });

  it.each(versions)('%s holds what the registry serves: the same files', async (version) => {
    const registry = await readFile(registryFile(version));
    const integrity = `sha512-${createHash('sha512').update(registry).digest('base64')}`;
    expect(integrity).toBe(releases[version]);
    const tarball = await readFile(built[version].tarball);
    expect(gunzipSync(tarball).equals(gunzipSync(registry))).toBe(true);
  });

  it('one of them equals the tarball of the registry byte for byte, so that the evidence proves that one', async () => {
    const same = await Promise.all(versions.map(isSame));
    expect(same.filter(Boolean)).toHaveLength(1);
    const version = versions[same.indexOf(true)] as Version;
    expect(await verify(version, registryFile(version))).toMatchObject({ exit: 0, level: 'trusted' });
  });

  it('the other is trusted and yet not what the registry serves, and verify says so', async () => {
    const same = await Promise.all(versions.map(isSame));
    const version = versions[same.indexOf(false)] as Version;
    const answer = await verify(version, registryFile(version));
    expect(answer).toMatchObject({ exit: 1, ok: false, level: 'none', code: 'FILES_HASH_MISMATCH' });
    expect(JSON.stringify(answer)).toContain('none of the artifact');
  });

  it('others can count too: cosign and in-toto on the evidence of this run', async () => {
    const [version] = versions as [Version];
    const { bundle, folder, tarball } = built[version];
    const out = join(cluster.dir, 'evidence');
    const formats = ['--in-toto', '--cosign', '--files', folder];
    const exported = await cluster.cli(
      ['export', bundle, '--project', cluster.project, '-o', out, ...formats],
      {
        home: 'stranger',
      },
    );
    expect(exported.code, exported.report).toBe(0);
    await cp(folder, join(out, 'product'), { recursive: true });
    const other = (program: string, ...args: string[]) =>
      exec(program, args, {
        cwd: out,
        timeout: 120_000,
        env: { PATH: process.env.PATH, HOME: out },
      });
    await other('in-toto-golang', 'verify', '-l', 'layout.json', '-k', 'layout.pub', '-d', '.');
    const { commands } = exported.lines[0] as { commands: string[] };
    const checks = commands.filter((command) => command.startsWith('cosign'));
    expect(checks).toHaveLength(6);
    for (const command of checks) {
      const [program = '', ...args] = command.replace(/ <.*>$/, '').split(' ');
      await other(program, ...args, tarball);
      await other(program, ...args, 'tree.block');
    }
  });
});
