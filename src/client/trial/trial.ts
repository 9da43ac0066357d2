import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import {
  openSandbox,
  type ProbeWatch,
  type Sandbox,
  type ShellWindow,
  shellStep,
} from '../../../sandbox/index.ts';
import type { Tier } from '../../../sandbox/types.ts';
import type { LaidDependencies } from '../../execution/dependency-tree.ts';
import type { HeldImage } from '../../execution/images/cache.ts';
import { abortedBy, type BuildIo, type BuildVariation, buildInSandbox } from '../../execution/in-sandbox.ts';
import { chooseJob, jobOf } from '../../execution/job-in-tree.ts';
import { type BuildNetwork, openBuildNetwork } from '../../execution/network.ts';
import type { JobFile, JobSpec } from '../../jobfile/index.ts';
import { makeScratch } from '../../node/scratch.ts';
import { codeOf, QuorateError } from '../../protocol/base/errors.ts';
import { artifactOf, type Outcome } from '../../protocol/documents/index.ts';
import type { Instance } from '../../protocol/pipeline/index.ts';
import { type Difference, diffTrees, type ImportedTree, openStore, type Store } from '../../store/index.ts';
import { type DependencyOptions, trialDependencies } from './dependencies.ts';
import { checkFits } from './fits.ts';
import { trialImage } from './image.ts';
import {
  openInputMesh,
  type ProvidedInput,
  provideInput,
  type TrialInput,
  type TrialProject,
  type WantedInput,
} from './inputs.ts';
import { trialLimits } from './limits.ts';
import { openSource, type TrialSource, type TrialSourceOptions } from './source.ts';

export interface TrialOptions extends TrialSourceOptions {
  jobName?: string | undefined;
  /** The home: holds the sandbox's job records and the image cache. */
  stateDir: string;
  /** Maximum size of the image cache, in bytes. */
  imageBytes?: number | undefined;
  /** Default: `namespace`, since the source is the user's own. */
  tier?: Tier | undefined;
  /** How dependencies are fetched. */
  dependencies: Pick<DependencyOptions, 'env' | 'onProgress'>;
  /** Artifacts for the build besides its source. */
  inputs?: readonly WantedInput[] | undefined;
  /** Folders of local stores that are searched for inputs first. */
  stores?: readonly string[] | undefined;
  /** Called if an input or the job's network needs the project. */
  project(): Promise<TrialProject | undefined>;
  onInput?(input: ProvidedInput): void;
  /** Reports the progress of the sandbox's probe. */
  onProbe?: ProbeWatch['onStep'];
}

/** Stands for the commit of files in a repository that has none. */
const noCommitYet = '0'.repeat(40);

export interface TrialResult {
  outcome: Outcome;
  /** The outputs, if there are any. */
  built: ImportedTree | undefined;
  ms: number;
  /** Traffic of a job with a network. */
  network: BuildNetwork['counts'] | undefined;
}

/** The user's terminal. */
export interface InteractiveTerminal {
  /** Keyboard input. */
  keys: Readable;
  /** Lines `<rows> <columns>`, one per change of the window size. */
  sizes: Readable;
  window: ShellWindow;
  /** Value of TERM. */
  type: string;
}

/** Git folder, image, inputs and network of the builds of a trial. */
interface TrialEnvironment {
  /** CID of the git folder, for a job with one. */
  git: string | undefined;
  image: 'host' | HeldImage;
  dependencies: LaidDependencies | undefined;
  inputs: readonly TrialInput[];
  project: TrialProject | undefined;
  /** URL of the repository's remote, from which workers would fetch the source. */
  remote: string | undefined;
  /** A private folder with a short path, for sockets. */
  dir: string;
}

/** One job of one source, to be built locally as a worker would build it. */
export class Trial {
  readonly source: TrialSource;
  readonly job: JobSpec;
  readonly #store: Store;
  readonly #sandbox: Sandbox;
  readonly #environment: TrialEnvironment;
  readonly #signal: AbortSignal;

  constructor(parts: {
    source: TrialSource;
    job: JobSpec;
    store: Store;
    sandbox: Sandbox;
    environment: TrialEnvironment;
    signal: AbortSignal;
  }) {
    this.source = parts.source;
    this.job = parts.job;
    this.#store = parts.store;
    this.#sandbox = parts.sandbox;
    this.#environment = parts.environment;
    this.#signal = parts.signal;
  }

  /** Builds the job. @throws STORE_DISK_FULL, `SANDBOX_…`, `EGRESS_…`, the signal's reason: errors that are not the build's */
  build(onLog: (chunk: Uint8Array) => void): Promise<TrialResult> {
    return this.#build({ into: this.#store.public, onLog });
  }

  /**
   * Runs an interactive shell in the sandbox instead of the job's steps, with a longer time limit. The content of $OUT at the end
   * is the output. @throws as `build`
   */
  shell(
    terminal: InteractiveTerminal,
    onOutput: (chunk: Uint8Array) => void,
    leave: AbortSignal,
  ): Promise<TrialResult> {
    const { keys, sizes, window, type } = terminal;
    const { limits: of, env, network } = this.job;
    const job = {
      ...{ run: [shellStep(window)], outputs: ['.'], env: { ...env, TERM: type, PS1: 'build:\\w\\$ ' } },
      limits: { ...of, seconds: trialLimits.shellSecondsMax },
      ...(network !== undefined && { network }),
    };
    const io = { into: this.#store.public, onLog: onOutput, terminal: { keys, sizes }, leave };
    return this.#build(io, job);
  }

  /**
   * Builds the job in a varied environment and compares the outputs. No differences are returned if one of the builds has no
   * outputs. @throws as `build`, and TRY_SANDBOX_FAILED
   */
  async compare(
    { outcome }: TrialResult,
    varied: BuildVariation,
  ): Promise<{ tried: TrialResult; differences: Difference[] }> {
    const area = this.#store.sealed('varied');
    try {
      const tried = await this.#build({ into: area, onLog: () => {}, varied });
      checkRan(tried);
      const [a, b] = [artifactOf(outcome), artifactOf(tried.outcome)];
      const differences: Difference[] = [];
      if (a !== null && b !== null) {
        const [first, second] = [this.#store.tree(a), this.#store.tree(b, { from: area })];
        for await (const one of diffTrees(first, second, this.#signal)) differences.push(one);
      }
      return { tried, differences };
    } finally {
      await this.#store.discard(area);
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
    const store = this.#store;
    const signal = this.#signal;
    const began = performance.now();
    let network: BuildNetwork | undefined;
    const done = (outcome: Outcome, built?: ImportedTree): TrialResult => {
      signal.throwIfAborted();
      return { outcome, built, ms: performance.now() - began, network: network?.counts };
    };
    try {
      network = await this.#network(io.onLog);
      const { inputs, image, git, dependencies } = this.#environment;
      const { tree, commit = noCommitYet, committedSeconds: seconds } = this.source;
      const where = { commit: { id: commit, tree, seconds }, from: store.public, git, inputs, image, signal };
      const job = { ...where, ...io, dependencies, network };
      if (leave !== undefined) job.signal = AbortSignal.any([signal, leave]);
      const { outcome, built } = await buildInSandbox(this.#sandbox, store, of, job, varied);
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

  #network(onLog: BuildIo['onLog']): Promise<BuildNetwork | undefined> {
    const { project, remote, dir } = this.#environment;
    return openBuildNetwork({
      ...{ job: this.job, charter: project?.charter ?? { vcs: [], bootstrap: [] }, dir },
      ...{ source: remote, store: project?.feed ?? [], privateHosts: 'named' },
      say: (text) => onLog(new TextEncoder().encode(`quorate: ${text}\n`)),
    });
  }

  /** Writes outputs into a new or empty folder. */
  write(artifact: string, dest: string): Promise<void> {
    return this.#store.exportDirectory(artifact, dest, { signal: this.#signal });
  }
}

/** @throws TRY_SANDBOX_FAILED for an outcome whose cause is the sandbox or the operator, not the build */
export function checkRan({ outcome }: TrialResult): void {
  if (outcome.kind !== 'aborted' || (outcome.reason !== 'sandbox' && outcome.reason !== 'operator')) return;
  throw new QuorateError('TRY_SANDBOX_FAILED', `the sandbox could not run the build: ${outcome.detail}`, {
    hint: 'Check whether this host can build: quorate doctor',
  });
}

/**
 * Opens a trial and runs `use` with it. Afterwards all its files are removed but the cached image.
 * @throws `SOURCE_…`, `JOBFILE_…`, `TRY_…`, `IMAGE_…`, `SANDBOX_…`, `STORE_…`, ARTIFACT_NOT_FOUND
 */
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
    const image =
      job.image === 'host'
        ? undefined
        : trialImage(job.image, {
            ...{ home: stateDir, repository, store, bytesMax: options.imageBytes, signal },
          });
    closers.push(async () => image?.release());
    // A missing image is reported before the sandbox is opened.
    await image?.directory();
    const git = job.git && (await of.gitFolder());
    const dependencies =
      job.dependencies &&
      (await trialDependencies(store, source.tree, job.dependencies, {
        ...{ home: stateDir, signal, ...options.dependencies },
      }));
    const surroundings = {
      git,
      dependencies,
      image: image ?? ('host' as const),
      ...{ dir: scratch, project: project ?? (await projectFor(job, options)) },
      remote: job.network && (await of.remote()),
    };
    const onStep = options.onProbe ?? (() => {});
    const sandbox = await openSandbox(stateDir, tier, { signal, onStep });
    signal.throwIfAborted();
    const provided: ProvidedInput[] = [];
    for (const input of inputs) {
      const one = await provideInput(input, { store, mesh, project, stores: options.stores ?? [], signal });
      options.onInput?.(one);
      provided.push(one);
    }
    const environment: TrialEnvironment = { ...surroundings, inputs: provided };
    return await use(new Trial({ source, job, store, sandbox, environment, signal }));
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function projectFor(job: JobSpec, options: TrialOptions): Promise<TrialProject | undefined> {
  if (job.network === undefined) return undefined;
  const project = await options.project();
  if (project !== undefined) return project;
  const what = `the job ${job.name} wants a network (${job.network.join(', ')})`;
  throw new QuorateError(
    'TRY_NO_PROJECT',
    `${what}, and the permitted servers are listed in a project's charter`,
    {
      hint: 'Try it in the repository of the project, or join the project: quorate join <ticket>',
    },
  );
}

/** @throws TRY_INPUT_MISSING for a job that reads the artifact of another one and is not given it. Of a test nothing is read. */
function checkInputsGiven(file: JobFile, { name, needs }: Instance, inputs: readonly WantedInput[]): void {
  const missing = needs
    .map(({ instance }) => instance)
    .filter((one) => jobOf(file, { name: one }).kind !== 'test')
    .filter((one) => !inputs.some(({ name }) => name === one));
  if (missing.length === 0) return;
  const given = inputs.map((input) => input.name).join(', ');
  const instead = given === '' ? '' : `; given is ${given}`;
  throw new QuorateError(
    'TRY_INPUT_MISSING',
    `the job ${name} reads the artifact of ${missing.join(', ')}${instead}`,
    {
      hint: `Give it one: ${missing.map((one) => `--input ${one}=<cid or folder>`).join(' ')}`,
    },
  );
}
