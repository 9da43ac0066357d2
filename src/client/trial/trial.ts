import { createReadStream } from 'node:fs';
import { mkdir, realpath, rm, statfs } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import {
  openSandbox,
  type ProbeWatch,
  type Sandbox,
  type ShellWindow,
  shellStep,
} from '../../../sandbox/index.ts';
import type { Tier } from '../../../sandbox/types.ts';
import { layOut } from '../../dependencies/index.ts';
import type { LaidDependencies } from '../../execution/dependency-tree.ts';
import { type HeldImage, ImageCache } from '../../execution/images/cache.ts';
import { imageCacheFolder } from '../../execution/images/cache-folder.ts';
import { hasImageFile, imagesFolder, readImageFile } from '../../execution/images/files.ts';
import { abortedBy, type BuildIo, type BuildVariation, buildInSandbox } from '../../execution/in-sandbox.ts';
import { lockFilesInTree } from '../../execution/lock-files.ts';
import { type BuildNetwork, type NetworkOptions, openBuildNetwork } from '../../execution/network.ts';
import type { JobFile, JobSpec } from '../../jobfile/index.ts';
import { type DependencyOptions, fetchLocked } from '../../member/dependencies.ts';
import { chooseJob, jobOf } from '../../member/job-in-tree.ts';
import { makeScratch } from '../../node/scratch.ts';
import { assert, codeOf, QuorateError } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { sizeTexts } from '../../protocol/base/quantity.ts';
import { artifactOf, type Outcome } from '../../protocol/documents/index.ts';
import type { Instance } from '../../protocol/pipeline/index.ts';
import { isSameRepository } from '../../source/index.ts';
import { type ImportedTree, openStore, type Store } from '../../store/index.ts';
import { type Difference, diffTrees } from '../../store/tree-diff.ts';
import {
  openInputMesh,
  type ProvidedInput,
  provideInput,
  type TrialInput,
  type TrialProject,
  type WantedInput,
} from './inputs.ts';
import { openSource, type TrialSource, type TrialSourceOptions } from './source.ts';

/** Time for a person's shell in a sandbox, in seconds: a working day, whatever the time limit of the job is. */
const shellSecondsMax = 12 * 3600;
assert(shellSecondsMax < limits.grantSecondsMax, 'a shell ends before the day does');

export interface TrialOptions extends TrialSourceOptions {
  jobName?: string | undefined;
  /** The home: holds the sandbox's job records and the image cache. */
  stateDir: string;
  imageBytes?: number | undefined;
  /** Private addresses that jobs of other repositories may reach where a charter lists them. Default: none. */
  privateHosts?: readonly string[] | undefined;
  /** Default: `namespace`, since the source is the user's own. */
  tier?: Tier | undefined;
  dependencies: Pick<DependencyOptions, 'env' | 'onProgress'>;
  inputs?: readonly WantedInput[] | undefined;
  /** Folders of local stores that are searched for inputs first. */
  stores?: readonly string[] | undefined;
  /** Called if an input or the job's network needs the project. */
  project(): Promise<TrialProject | undefined>;
  onInput?(input: ProvidedInput): void;
  onProbe?: ProbeWatch['onStep'];
}

/** Stands for the commit of files in a repository that has none. */
const noCommitYet = '0'.repeat(40);

export interface TrialResult {
  outcome: Outcome;
  built: ImportedTree | undefined;
  ms: number;
  /** Traffic of a job with a network. */
  network: BuildNetwork['counts'] | undefined;
}

export interface InteractiveTerminal {
  keys: Readable;
  /** Lines `<rows> <columns>`, one per change of the window size. */
  sizes: Readable;
  window: ShellWindow;
  type: string;
}

interface TrialParts {
  source: TrialSource;
  job: JobSpec;
  store: Store;
  sandbox: Sandbox;
  signal: AbortSignal;
  /** CID of the git folder, for a job with one. */
  git: string | undefined;
  image: 'host' | HeldImage;
  dependencies: LaidDependencies | undefined;
  inputs: readonly TrialInput[];
  project: TrialProject | undefined;
  privateHosts: NetworkOptions['privateHosts'];
  /** URL of the repository's remote, from which workers would fetch the source. */
  remote: string | undefined;
  /** A private folder with a short path, for sockets. */
  dir: string;
}

/** One job of one source, to be built locally as a worker would build it. */
export class Trial {
  readonly source: TrialSource;
  readonly job: JobSpec;
  readonly #parts: TrialParts;

  constructor(parts: TrialParts) {
    this.source = parts.source;
    this.job = parts.job;
    this.#parts = parts;
  }

  /** Builds the job. @throws {QuorateError} STORE_DISK_FULL, `SANDBOX_…`, `EGRESS_…`, the signal's reason: errors that are not the build's */
  build(onLog: (chunk: Uint8Array) => void): Promise<TrialResult> {
    return this.#build({ into: this.#parts.store.public, onLog });
  }

  /** Runs a shell instead of the job's steps, with a longer time limit; $OUT at its end is the output. @throws as `build` */
  shell(
    terminal: InteractiveTerminal,
    onOutput: (chunk: Uint8Array) => void,
    leave: AbortSignal,
  ): Promise<TrialResult> {
    const { keys, sizes, window, type } = terminal;
    const { limits: of, env, network } = this.job;
    const job = {
      run: [shellStep(window)],
      outputs: ['.'],
      env: { ...env, TERM: type, PS1: 'build:\\w\\$ ' },
      limits: { ...of, seconds: shellSecondsMax },
      network,
    };
    const io = { into: this.#parts.store.public, onLog: onOutput, terminal: { keys, sizes }, leave };
    return this.#build(io, job);
  }

  /** Builds in a varied environment and compares the outputs, where both builds have some. @throws as `build`, TRY_SANDBOX_FAILED */
  async compare(
    { outcome }: TrialResult,
    varied: BuildVariation,
  ): Promise<{ tried: TrialResult; differences: Difference[] }> {
    const area = this.#parts.store.sealed('varied');
    try {
      const tried = await this.#build({ into: area, onLog: () => {}, varied });
      checkRan(tried);
      const [a, b] = [artifactOf(outcome), artifactOf(tried.outcome)];
      const differences: Difference[] = [];
      if (a !== null && b !== null) {
        const [first, second] = [this.#parts.store.tree(a), this.#parts.store.tree(b, { from: area })];
        for await (const one of diffTrees(first, second, this.#parts.signal)) differences.push(one);
      }
      return { tried, differences };
    } finally {
      await this.#parts.store.discard(area);
    }
  }

  async #build(
    {
      varied,
      leave,
      ...io
    }: Pick<BuildIo, 'into' | 'onLog' | 'terminal'> & { varied?: BuildVariation; leave?: AbortSignal },
    of: Parameters<typeof buildInSandbox>[2] = this.job,
  ): Promise<TrialResult> {
    const { store, sandbox, signal, inputs, image, git, dependencies } = this.#parts;
    const began = performance.now();
    let network: BuildNetwork | undefined;
    const done = (outcome: Outcome, built?: ImportedTree): TrialResult => {
      signal.throwIfAborted();
      return { outcome, built, ms: performance.now() - began, network: network?.counts };
    };
    try {
      network = await this.#network(io.onLog);
      const { tree, commit = noCommitYet, committedSeconds: seconds } = this.source;
      const where = { commit: { id: commit, tree, seconds }, from: store.public, git, inputs, image, signal };
      const job = { ...where, ...io, dependencies, network };
      if (leave !== undefined) job.signal = AbortSignal.any([signal, leave]);
      const { outcome, built } = await buildInSandbox(sandbox, store, of, job, varied);
      return done(outcome, built);
    } catch (error) {
      const code = codeOf(error);
      const isOfBuild = code.startsWith('STORE_') || network?.hopeless.aborted === true;
      if (signal.aborted || code === 'STORE_DISK_FULL' || !isOfBuild) throw error;
      return done(abortedBy(error));
    } finally {
      await network?.close();
    }
  }

  async #network(onLog: BuildIo['onLog']): Promise<BuildNetwork | undefined> {
    const { project, remote, dir, privateHosts } = this.#parts;
    return openBuildNetwork({
      job: this.job,
      charter: project?.charter ?? { vcs: [], bootstrap: [] },
      dir,
      source: remote,
      store: project?.feed ?? [],
      privateHosts,
      say: (text) => onLog(new TextEncoder().encode(`quorate: ${text}\n`)),
    });
  }

  write(artifact: string, dest: string): Promise<void> {
    return this.#parts.store.exportDirectory(artifact, dest, { signal: this.#parts.signal });
  }
}

/** @throws {QuorateError} TRY_SANDBOX_FAILED for an outcome whose cause is the sandbox or the operator, not the build */
export function checkRan({ outcome }: TrialResult): void {
  if (outcome.kind !== 'aborted' || (outcome.reason !== 'sandbox' && outcome.reason !== 'operator')) return;
  throw new QuorateError('TRY_SANDBOX_FAILED', `the sandbox could not run the build: ${outcome.detail}`, {
    hint: 'Check whether this host can build: quorate doctor',
  });
}

/** Opens a trial and runs `use` with it. Afterwards all its files are removed but the cached image. */
export async function withTrial<T>(options: TrialOptions, use: (trial: Trial) => Promise<T>): Promise<T> {
  const { signal, stateDir, tier, inputs = [] } = options;
  const scratch = await makeScratch('try');
  const closers: (() => Promise<unknown>)[] = [() => rm(scratch, { recursive: true, force: true })];
  try {
    const project = inputs.some((input) => 'cid' in input) ? await options.project() : undefined;
    const mesh = project === undefined ? undefined : await openInputMesh(project);
    if (mesh !== undefined) closers.push(() => mesh.close());
    const store = await openStore({ dir: join(scratch, 'store'), libp2p: mesh?.libp2p });
    closers.push(() => store.close());
    const { source, bytes, file, repository, ...of } = await openSource(store, scratch, options);
    const instance = chooseJob(file, options.jobName);
    const job = jobOf(file, instance);
    checkInputsGiven(file, instance, inputs);
    await checkFits(job, bytes, stateDir);
    const held = { home: stateDir, repository, store, bytesMax: options.imageBytes, signal };
    const image = job.image === 'host' ? undefined : trialImage(job.image, held);
    closers.push(async () => image?.release());
    // A missing image is reported before the sandbox is opened.
    await image?.directory();
    const git = job.git && (await of.gitFolder());
    const fetching = { home: stateDir, signal, ...options.dependencies };
    const dependencies =
      job.dependencies && (await trialDependencies(store, source.tree, job.dependencies, fetching));
    const networkProject = project ?? (await projectFor(job, options));
    const remote = job.network && (await of.remote());
    const sandbox = await openSandbox(stateDir, tier, { signal, onStep: options.onProbe ?? (() => {}) });
    signal.throwIfAborted();
    const provided: ProvidedInput[] = [];
    for (const input of inputs) {
      const one = await provideInput(input, { store, mesh, project, stores: options.stores ?? [], signal });
      options.onInput?.(one);
      provided.push(one);
    }
    const parts: TrialParts = {
      source,
      job,
      store,
      sandbox,
      signal,
      git,
      image: image ?? 'host',
      dependencies,
      inputs: provided,
      project: networkProject,
      privateHosts: (await isOwnJob(networkProject, source, options))
        ? 'named'
        : (options.privateHosts ?? []),
      remote,
      dir: scratch,
    };
    return await use(new Trial(parts));
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

/** Whether source and job file are of the repository of the person's own project: then the word of its charter is enough for a private address. */
async function isOwnJob(
  project: TrialProject | undefined,
  { root }: TrialSource,
  { url, file }: TrialOptions,
): Promise<boolean> {
  if (project?.folder === undefined || url !== undefined) return false;
  if (file === undefined) return isSameRepository(project.folder, root);
  if (!('local' in file)) return false;
  return isSameRepository(project.folder, root, dirname(await realpath(file.local)));
}

async function projectFor(job: JobSpec, options: TrialOptions): Promise<TrialProject | undefined> {
  if (job.network === undefined) return undefined;
  const project = await options.project();
  if (project !== undefined) return project;
  const what = `the job ${job.name} wants a network (${job.network.join(', ')})`;
  throw new QuorateError(
    'TRY_NO_PROJECT',
    `${what}, and the permitted servers are listed in a project's charter`,
    { hint: 'Try it in the repository of the project, or join the project: quorate join <ticket>' },
  );
}

/** @throws {QuorateError} TRY_INPUT_MISSING for a job that reads the artifact of another one and is not given it; of a test none is read */
function checkInputsGiven(file: JobFile, { name, needs }: Instance, inputs: readonly WantedInput[]): void {
  const missing = needs
    .map(({ instance }) => instance)
    .filter((one) => jobOf(file, { name: one }).kind !== 'test')
    .filter((one) => !inputs.some(({ name }) => name === one));
  if (missing.length === 0) return;
  const given = inputs.map((input) => input.name).join(', ');
  const instead = given === '' ? '' : `; given is ${given}`;
  const message = `the job ${name} reads the artifact of ${missing.join(', ')}${instead}`;
  throw new QuorateError('TRY_INPUT_MISSING', message, {
    hint: `Give it one: ${missing.map((one) => `--input ${one}=<cid or folder>`).join(' ')}`,
  });
}

/** The image of a trial, of the repository, of the home, or of the image cache. Preparing it throws IMAGE_UNKNOWN where none has it. */
export function trialImage(
  image: string,
  of: { home: string; repository: string; store: Store; bytesMax: number | undefined; signal: AbortSignal },
): HeldImage {
  const { home, repository, store, bytesMax = limits.imageCacheBytesDefault, signal } = of;
  const folders = [join(repository, '.quorate'), home].map(imagesFolder);
  const cache = new ImageCache({
    dir: imageCacheFolder(home),
    bytesMax,
    store,
    signal,
    source: {
      obtain: async () => {
        const dir = folders.find((folder) => hasImageFile(folder, image));
        if (dir === undefined)
          throw new QuorateError('IMAGE_UNKNOWN', `the image ${image} is not on this host`, {
            hint: 'Create it (quorate image build, quorate image import), or write image: host in quorate.yaml.',
          });
        await readImageFile(store, dir, image, { signal });
      },
      // The store is removed after the trial.
      discard: async () => {},
    },
  });
  return cache.use(image, signal);
}

/** Fetches what lock files of a source tree demand, and lays it out. @throws {QuorateError} as `fetchLocked` */
export async function trialDependencies(
  store: Store,
  tree: string,
  locks: readonly string[],
  options: Omit<DependencyOptions, 'allowPrivate'>,
): Promise<LaidDependencies> {
  const files = await lockFilesInTree(store, tree, locks, options);
  // Private addresses are allowed: the result of a trial stays on this host.
  const fetched = await fetchLocked(locks, files, { ...options, allowPrivate: true });
  const paths = new Map<string, string>();
  const locked = [...fetched].map(([entry, { path, size, sha256 }]) => {
    paths.set(sha256, path);
    return { ...entry, blob: { name: sha256, size } };
  });
  return { layout: layOut(locks, locked), open: (name) => createReadStream(paths.get(name) ?? '') };
}

/** Checks limits that a worker checks. `stateDir`: where the files of builds are. @throws {QuorateError} SOURCE_TOO_LARGE, TRY_HOST_TOO_SMALL */
export async function checkFits(
  { name, limits: asked }: JobSpec,
  sourceBytes: number,
  stateDir: string,
): Promise<void> {
  const { cpus, memoryBytes, diskBytes } = asked;
  if (sourceBytes > diskBytes) {
    const [source, disk] = sizeTexts(sourceBytes, diskBytes);
    throw new QuorateError(
      'SOURCE_TOO_LARGE',
      `the source takes ${source}; the job ${name} may write ${disk}`,
      { hint: 'Exclude files that are not source in .gitignore, or raise the disk limit of the job.' },
    );
  }
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const { bavail, bsize } = await statfs(stateDir);
  const there = {
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    diskBytes: Math.max(totalmem(), bavail * bsize),
  };
  const [memory, memoryHere] = sizeTexts(memoryBytes, there.memoryBytes);
  const [disk, diskHere] = sizeTexts(diskBytes, there.diskBytes);
  const lacking = [
    cpus > there.cpus ? `${cpus} cpus, and ${there.cpus === 1 ? '1 is' : `${there.cpus} are`} here` : [],
    memoryBytes > there.memoryBytes ? `${memory} of memory, and ${memoryHere} are here` : [],
    diskBytes > there.diskBytes ? `${disk} of disk, and ${diskHere} are here` : [],
  ].flat();
  if (lacking.length === 0) return;
  throw new QuorateError('TRY_HOST_TOO_SMALL', `the job ${name} wants ${lacking.join('; ')}`, {
    hint: 'Try it on a larger host, or lower the limits in quorate.yaml.',
  });
}
