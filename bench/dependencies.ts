import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { pack } from 'tar-stream';
import type { Group } from '../sandbox/cgroups/group.ts';
import { openSandbox, type Sandbox } from '../sandbox/index.ts';
import {
  type FetchedFile,
  fetchDependencies,
  layOut,
  layoutFolders,
  layoutTar,
} from '../src/dependencies/index.ts';
import { reachFrom } from '../src/node/reach.ts';
import { type Entry, readLocks } from '../src/protocol/lock-formats/index.ts';
import { type Bench, inTurn, median, type Suite, seconds } from './run.ts';
import { bareGroup, inGroup, limits } from './sandbox-jobs.ts';

const packagesCount = 1_000;
/** Of these are installed, at the low priority of builds. */
const installedCount = 200;
const rounds = 3;

/** A project of npm that depends on all packages of a registry. */
interface Project {
  url: string;
  files: { 'package.json': string; 'package-lock.json': string };
  entries: Entry[];
}

type Fetched = Map<Entry, FetchedFile>;

type Packages = Record<string, { version: string; integrity: string }>;

function projectOf(url: string, packages: Packages): Project {
  const dependencies = Object.fromEntries(Object.keys(packages).map((name) => [name, '1.0.0']));
  const root = { name: 'project', version: '1.0.0', dependencies };
  const locked = Object.entries(packages).map(([name, one]) => [
    `node_modules/${name}`,
    { ...one, resolved: `${url}/${name}/-/${name}-1.0.0.tgz` },
  ]);
  const lock = {
    name: 'project',
    version: '1.0.0',
    lockfileVersion: 3,
    requires: true,
    packages: { '': root, ...Object.fromEntries(locked) },
  };
  const files = { 'package.json': JSON.stringify(root), 'package-lock.json': JSON.stringify(lock) };
  const bytes = new Map([['package-lock.json', Buffer.from(files['package-lock.json'])]]);
  return { url, files, entries: readLocks(['package-lock.json'], bytes, 'x86_64') };
}

/** npm on this host, in a folder of its own. */
class HostNpm {
  readonly #project: Project;
  readonly #dir: string;

  constructor(project: Project, dir: string) {
    this.#project = project;
    this.#dir = dir;
  }

  /** Seconds of `npm ci`; without `node_modules` before it, and without a cache where it is `empty`. `group`: the priority of builds. */
  async ci(cache: 'empty' | 'warm', group?: Group): Promise<number> {
    const at = (name: string) => join(this.#dir, name);
    await rm(at('node_modules'), { recursive: true, force: true });
    if (cache === 'empty') await rm(at('cache'), { recursive: true, force: true });
    for (const [name, text] of Object.entries(this.#project.files)) await writeFile(at(name), text);
    const env = Object.entries({
      PATH: process.env.PATH,
      HOME: this.#dir,
      npm_config_cache: at('cache'),
      npm_config_registry: this.#project.url,
      NO_PROXY: '127.0.0.1',
    }).map(([name, value]) => `${name}=${value}`);
    const npm = ['npm', 'ci', '--no-audit', '--no-fund', ...(cache === 'warm' ? ['--offline'] : [])];
    const words = ['-i', '-C', this.#dir, ...env, ...npm];
    return seconds(() =>
      group === undefined ? promisify(execFile)('env', words) : inGroup(group, ['env', ...words]),
    );
  }
}

async function fetchInto(cache: string, { entries, url }: Project): Promise<Fetched> {
  const env = { PATH: process.env.PATH, npm_config_registry: url, NO_PROXY: '127.0.0.1' };
  return fetchDependencies(entries, {
    cache,
    env,
    allowPrivate: false,
    reach: reachFrom(env),
    signal: AbortSignal.timeout(300_000),
  });
}

interface Installed {
  /** Of the whole build: start, source and packages laid out, the install. */
  whole: number;
  /** Of `npm ci` alone, as the build measures it. */
  install: number;
}

async function inSandbox(sandbox: Sandbox, { files }: Project, fetched: Fetched): Promise<Installed> {
  const source = pack();
  for (const [name, text] of Object.entries(files)) source.entry({ name }, text);
  source.finalize();
  const paths = new Map([...fetched.values()].map(({ sha256, path }) => [sha256, path]));
  const locked = [...fetched].map(([entry, { sha256, size }]) => ({
    ...entry,
    blob: { name: sha256, size },
  }));
  const layout = layOut(['package-lock.json'], locked);
  const open = (name: string) => createReadStream(paths.get(name) ?? '');
  let log = '';
  const whole = await seconds(async () => {
    const outcome = await sandbox.run(
      {
        source: Readable.from(source as AsyncIterable<Uint8Array>, { objectMode: false }),
        dependencies: {
          folders: layoutFolders.map((name) => ({ name, tar: layoutTar(layout, name, open) })),
          env: layout.env,
        },
        run: ['date +%s%N; npm ci --no-audit --no-fund; date +%s%N'],
        inputs: [],
        env: {},
        outputs: [],
        image: 'host',
        limits: { ...limits, seconds: 600 },
      },
      {
        onLog: (chunk) => {
          log += Buffer.from(chunk).toString('utf8');
        },
        onOutputs: async () => {},
        signal: AbortSignal.timeout(300_000),
      },
    );
    if (outcome.kind !== 'exit' || outcome.code !== 0)
      throw new Error(`${JSON.stringify(outcome)}\n${log.slice(-2000)}`);
  });
  const [from = 0, to = 0] = [...log.matchAll(/^(\d{19})$/gm)].map(([, time]) => Number(time));
  return { whole, install: (to - from) / 1e9 };
}

/** The files from one worker's store into that of another, beside as many bytes over a raw stream. */
async function fromTheMesh(bench: Bench, fetched: Fetched): Promise<void> {
  const [from, to, tree] = [await bench.folder(), await bench.folder(), await bench.folder()];
  await mkdir(join(tree, 'sha256'));
  let bytes = 0;
  for (const { path, sha256, size } of fetched.values()) {
    await copyFile(path, join(tree, 'sha256', sha256));
    bytes += size;
  }
  const program = new URL('./transfer-end.ts', import.meta.url);
  const [sender, receiver] = [bench.end(program, [from, 'serves']), bench.end(program, [to])];
  const { id, addrs } = await sender.ask<{ id: string; addrs: string[] }>('address');
  await sender.ask('rawBytes', bytes);
  await receiver.ask('connect', addrs);
  const root = await sender.ask<string>('import', tree);
  const moved = await inTurn(rounds, {
    raw: () => receiver.ask<number>('raw', addrs[0]),
    stream: async () => (await receiver.ask<{ took: number }>('stream', root, id)).took,
  });
  const rate = (taken: number): number => bytes / 1e6 / taken;
  bench.figure('1,000 packages from one worker to another', rate(moved.stream.warm), 'MB/s', {
    beside: ['MB/s, one raw libp2p stream', rate(moved.raw.warm)],
    over: 0.7,
    note: `${Math.round(bytes / 1e6)} MB`,
  });
}

async function run(bench: Bench): Promise<void> {
  const registry = bench.end(new URL('./registry-end.ts', import.meta.url), [String(packagesCount)]);
  const { url, packages } = await registry.ask<{ url: string; packages: Packages }>('registry');
  const project = projectOf(url, packages);
  const npm = new HostNpm(project, await bench.folder());
  const caches = await bench.folder();
  let fetched: Fetched = new Map();
  let round = 0;
  const fetching = await inTurn(rounds, {
    ours: () =>
      seconds(async () => {
        fetched = await fetchInto(join(caches, String(round++)), project);
      }),
    npm: () => npm.ci('empty'),
  });
  bench.figure('1,000 packages fetched, from an empty cache', fetching.ours.warm, 's', {
    beside: ['s, npm ci', fetching.npm.warm],
    under: 1.2,
  });
  const again = await seconds(() => fetchInto(join(caches, String(round - 1)), project));
  bench.figure('the same, all of it kept', again, 's');

  await installs(
    bench,
    projectOf(url, Object.fromEntries(Object.entries(packages).slice(0, installedCount))),
  );
  await fromTheMesh(bench, fetched);
}

async function installs(bench: Bench, project: Project): Promise<void> {
  const fetched = await fetchInto(await bench.folder(), project);
  const npm = new HostNpm(project, await bench.folder());
  await npm.ci('empty');
  const group = bareGroup();
  bench.after(() => group.destroy());
  const sandbox = await openSandbox(await bench.folder());
  const wholes: number[] = [];
  const installing = await inTurn(rounds, {
    sandbox: async () => {
      const { whole, install } = await inSandbox(sandbox, project, fetched);
      wholes.push(whole);
      return install;
    },
    npm: () => npm.ci('warm', group),
  });
  const beside = ['s, npm ci --offline on the host', installing.npm.warm] as const;
  bench.figure(`npm ci of ${installedCount} packages in the sandbox`, installing.sandbox.warm, 's', {
    beside,
    under: 1.3,
  });
  bench.figure('the whole build around it', median(wholes.slice(1)), 's', { beside });
}

export const suite: Suite = {
  what: '1,000 npm packages: fetched, installed in the sandbox, moved to another worker; beside npm and a raw stream',
  secondsMax: 900,
  run,
};
