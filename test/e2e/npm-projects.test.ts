import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from 'vitest';
import { openMesh } from '../../src/mesh/index.ts';
import { readLocks } from '../../src/protocol/lock-formats/index.ts';
import { changing } from './support/changing.ts';
import { upstreamSource } from './support/debian.ts';
import { git } from './support/git.ts';
import { LocalCluster } from './support/local-cluster.ts';
import type { Line } from './support/told.ts';
import { tool } from './support/toolchains/project.ts';

/** A project of other people: how it is installed, built and tested. */
interface Project {
  /** Unpacks its source below a folder: as Debian carries it, or the package that its registry has. */
  source: (dir: string) => Promise<string>;
  lock: string;
  /** Has the tool make the lock file, where the source has none. */
  makeLock?: string[];
  install: string;
  build: string[];
  test: string[];
  /** One of its dependencies. */
  dependency: string;
  /** A file that the build makes. */
  makes: string;
}

const projects: Record<string, Project> = {
  npm: {
    source: (dir) => upstreamSource('node-flatted', dir),
    lock: 'package-lock.json',
    install: 'npm ci',
    build: ['mkdir cjs', 'npm run cjs', 'cp -R cjs "$OUT"'],
    test: ['cp -R /build/in/build/cjs .', 'npm test'],
    dependency: 'ascjs',
    makes: 'cjs/index.js',
  },
  pnpm: {
    source: (dir) => packageSource('left-pad@1.3.0', dir),
    lock: 'pnpm-lock.yaml',
    makeLock: ['pnpm', 'install', '--lockfile-only', '--ignore-scripts'],
    install: 'pnpm install --offline --frozen-lockfile',
    build: ['pnpm pack --pack-destination "$OUT"'],
    test: ['pnpm test'],
    dependency: 'tape',
    makes: 'left-pad-1.3.0.tgz',
  },
  yarn: {
    source: (dir) => upstreamSource('node-d3-queue', dir),
    lock: 'yarn.lock',
    makeLock: ['yarn', 'install', '--ignore-scripts', '--non-interactive'],
    install: 'yarn install --offline --frozen-lockfile',
    build: ['yarn run pretest', 'cp build/d3-queue.js "$OUT"'],
    test: ['yarn test'],
    dependency: 'rollup',
    makes: 'd3-queue.js',
  },
};

const exec = promisify(execFile);

async function packageSource(spec: string, dir: string): Promise<string> {
  const { stdout } = await exec('npm', ['pack', '--silent', '--pack-destination', dir, spec], {
    cwd: dir,
    timeout: 120_000,
  });
  const folder = join(dir, spec);
  await mkdir(folder);
  const args = ['-xzf', join(dir, stdout.trim()), '-C', folder, '--strip-components=1'];
  await exec('tar', args, { timeout: 60_000 });
  return folder;
}

function recipe({ lock, install, build, test }: Project): string {
  const common = `
    image: host
    dependencies: [${lock}]
    limits: {cpus: 1, memory: 2GiB, disk: 1GiB, time: 10m}
    trust: {agree: 2, of: 3, cosign: required, rounds: 2}`;
  return `jobs:
  build:${common}
    run: ${JSON.stringify([install, ...build])}
  test:${common}
    kind: test
    needs: {build: agreed}
    run: ${JSON.stringify([install, ...test])}
`;
}

let cluster: LocalCluster;
/** The repository of the job files. */
let recipes: string;
/** The bytes that change on their way to cleo. */
let changed: Uint8Array = Buffer.of();

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers: ['ada', 'ben'], trusted: true });
  const cleo = await cluster.work('cleo', await cluster.ticket('cleo'), {
    openMesh: async (options) => changing(await openMesh(options), () => changed),
  });
  await cleo.event('connected');
  const files = Object.entries(projects).map(([name, project]) => [`${name}.yaml`, recipe(project)]);
  recipes = await cluster.git.commit('recipes', Object.fromEntries(files));
  const allowed = await cluster.cli(['charter', 'set', '--recipes', 'outside']);
  expect(allowed.code, allowed.report).toBe(0);
});

/** The source as it is, at a tag, in a repository on this machine; its address, and the tag of its version. */
async function published(name: string, project: Project): Promise<{ url: string; tag: string }> {
  const folder = await project.source(cluster.dir);
  if (project.makeLock !== undefined) {
    const { stdout } = await exec('npm', ['config', 'get', 'registry'], { cwd: '/' });
    const env = { HOME: join(cluster.dir, 'home-of-tools'), npm_config_registry: stdout.trim() };
    await tool(folder, project.makeLock, env);
    await rm(join(folder, 'node_modules'), { recursive: true, force: true });
  }
  await cp(folder, cluster.git.folder(name), { recursive: true });
  const url = await cluster.git.commitAll(name);
  const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  await git(cluster.git.folder(name), 'tag', `v${version}`);
  return { url, tag: `v${version}` };
}

/** A dependency as the lock file names it, and its bytes, as this machine has fetched them. */
async function fetchedDependency(name: string, { lock, dependency }: Project) {
  const text = await readFile(join(cluster.git.folder(name), lock));
  const entry = readLocks([lock], new Map([[lock, text]]), 'x86_64').find((one) => one.name === dependency);
  if (entry === undefined) throw new Error(`${lock} does not name ${dependency}`);
  const { algorithm, digests } = entry.integrity;
  const [digest = ''] = digests;
  const path = join(cluster.home('owner'), 'dependencies', algorithm, digest.slice(0, 2), digest);
  return { named: `${entry.file} of ${entry.purl}`, bytes: await readFile(path) };
}

it.each(Object.entries(projects))(
  'a project of %s is built and tested alone, and by all but one who is sent another byte and says of what',
  async (name, project) => {
    const { url, tag } = await published(name, project);
    const source = [url, '--ref', tag, '--file', `${recipes}:${name}.yaml`];
    const out = join(cluster.dir, `alone-${name}`);
    const built = await cluster.cli(['try', ...source, '--job', 'build', '-o', out]);
    expect(built.code, built.report).toBe(0);
    const alone = built.lines.find(({ event }) => event === 'built');
    const tested = await cluster.cli(['try', ...source, '--job', 'test', '--input', `build=${out}`]);
    expect(tested.code, tested.report).toBe(0);

    const { named, bytes } = await fetchedDependency(name, project);
    changed = bytes.subarray(64, 128);
    const since = cluster.worker('cleo').mark();
    const run = cluster.start('quorate run', ['run', ...source]);
    // Of the test, which begins once the others agree on the build, cleo is sent all as it is.
    await cluster.worker('cleo').event('built', { since });
    changed = Buffer.of();
    expect((await run.end()).code, run.report()).toBe(0);

    const last = (event: string, job: string) => run.all(event).findLast((line) => line.name === job);
    expect(last('verdict', 'build')).toMatchObject({ level: 'trusted', artifact: alone?.artifact });
    expect(last('verdict', 'test')).toMatchObject({ level: 'trusted' });
    const results = (job: string) => {
      type Revealed = Line & { results: { operator: string; result: string }[] };
      const told = run.all('revealed').filter(({ name }) => name === job) as Revealed[];
      const all = told.flatMap(({ results: some }) => some);
      return Object.fromEntries(all.map(({ operator, result }) => [operator, result]));
    };
    expect(results('build')).toMatchObject({ ada: alone?.artifact, ben: alone?.artifact });
    expect(results('build').cleo).toContain(
      `aborted: source: DEPENDENCIES_MISMATCH: ${named} was sent with other bytes`,
    );
    expect(new Set(Object.values(results('test'))).size, run.report()).toBe(1);

    const from = ['--source', url, '--ref', `refs/tags/${tag}`, '--recipe', `${recipes}:${name}.yaml`];
    const fetched = await cluster.fetch(String(alone?.artifact), name, ...from);
    expect(fetched.code, fetched.report).toBe(0);
    const [here, there] = [join(out, project.makes), join(cluster.fetched(name), project.makes)];
    expect(await readFile(there)).toEqual(await readFile(here));
  },
);
