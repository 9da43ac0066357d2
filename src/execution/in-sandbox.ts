import type { Readable } from 'node:stream';
import type {
  Sandbox,
  SandboxDependencies,
  SandboxImage,
  SandboxJob,
  SandboxOutcome,
  SandboxVariation,
  SourceCommit,
} from '../../sandbox/index.ts';
import { layoutFolders, layoutTar } from '../dependencies/index.ts';
import { codeOf, messageOf, QuorateError } from '../protocol/base/errors.ts';
import type { Job, Outcome } from '../protocol/documents/index.ts';
import { type BuildLimit, filesFit, limitNamed, outputFilesMaxOf } from '../protocol/judge/index.ts';
import { emptyTree } from '../protocol/trust/index.ts';
import type { Area, ImportedTree, Store } from '../store/index.ts';
import type { LaidDependencies } from './dependency-tree.ts';

/** Changes of the build environment, for trials only. */
export interface BuildVariation {
  variation?: SandboxVariation;
  /** Unpack source files in reverse order, which changes the order of directory entries. */
  reversed?: boolean;
}

export interface BuildIo {
  /** The source's commit, and the area that its tree is in. */
  commit: SourceCommit;
  from: Area;
  /** CID of its git folder, in the same area. */
  git?: string | undefined;
  image: 'host' | SandboxImage;
  /** Area for the outputs. */
  into: Area;
  /** Artifacts in the public area, to be unpacked at /build/in/<name>. */
  inputs?: readonly { name: string; cid: string }[];
  /** Files that the job's lock files demand, and their bytes. */
  dependencies?: LaidDependencies | undefined;
  /** Unix socket of the proxy, for a job with a network. */
  network?: { socket: string; hopeless: AbortSignal } | undefined;
  /** Interactive terminal, for trials only. */
  terminal?: SandboxJob['terminal'];
  onLog(chunk: Uint8Array): void;
  signal: AbortSignal;
}

/**
 * Builds a job, for workers and for trials. `built` holds the outputs, if there are any; `limit` is the one of the job that it exceeded.
 * @throws `SANDBOX_…`, `STORE_…` and `EGRESS_…`, which `abortedBy` converts to an outcome
 */
export async function buildInSandbox(
  sandbox: Sandbox,
  store: Store,
  job: Pick<Job, 'kind' | 'run' | 'env' | 'outputs' | 'limits'>,
  { commit, from, git, image, into, inputs = [], dependencies, network, terminal, onLog, signal }: BuildIo,
  { variation, reversed }: BuildVariation = {},
): Promise<{ outcome: Outcome; built: ImportedTree | undefined; limit?: BuildLimit }> {
  let built: ImportedTree | undefined;
  const hopeless = network?.hopeless;
  const outcome = await sandbox.run(
    {
      source: store.exportTar(commit.tree, { from, signal, reversed }),
      inputs: inputs.map(({ name, cid }) => ({ name, tar: store.exportTar(cid, { signal }) })),
      ...(dependencies !== undefined && { dependencies: inSandbox(dependencies) }),
      commit,
      ...(git !== undefined && { git: store.exportTar(git, { from, signal }) }),
      run: job.run,
      stepMarks: terminal === undefined,
      env: job.env,
      outputs: job.outputs,
      // The files that a failed test put out are a part of its result.
      failedOutputs: job.kind === 'test',
      limits: job.limits,
      image,
      ...(network !== undefined && { network: { socket: network.socket } }),
      ...(terminal !== undefined && { terminal }),
      ...(variation !== undefined && { variation }),
    },
    {
      onLog,
      onOutputs: async (tar: Readable) => {
        try {
          const bounds = { maxBytes: job.limits.diskBytes, maxFiles: outputFilesMaxOf(job) };
          built = await store.importTar(tar, { into, ...bounds, signal, ownsChunks: true });
        } catch (error) {
          if (codeOf(error) === 'STORE_TREE_TOO_MANY_FILES') throw tooManyFiles(job);
          if (!(error instanceof QuorateError) || error.code !== 'STORE_TREE_TOO_MANY_ENTRIES') throw error;
          throw new LimitExceeded(limitNamed(job, 'treeEntries'), error);
        }
      },
      signal: hopeless === undefined ? signal : AbortSignal.any([signal, hopeless]),
    },
  );
  // A build that ended by itself meanwhile stands.
  if (outcome.kind === 'aborted' && outcome.reason === 'killed' && !signal.aborted)
    hopeless?.throwIfAborted();
  if (built !== undefined && !filesFit(job, built.files)) {
    const says = `the paths of the ${built.files.length} output files are too long for a receipt of this job`;
    throw new QuorateError('STORE_TOO_MANY_ENTRIES', says, { hint: fewerFiles });
  }
  const made = outcome.kind === 'exit' && outcome.code !== 0 && built?.root === emptyTree ? undefined : built;
  const limit = outcome.kind === 'aborted' ? outcome.limit : undefined;
  return {
    outcome: outcomeOf(outcome, made),
    built: made,
    ...(limit !== undefined && { limit: limitNamed(job, limit) }),
  };
}

const fewerFiles = 'Pack them into one archive, or set "files" under "limits" in quorate.yaml.';

function tooManyFiles(job: Pick<Job, 'limits'>): LimitExceeded {
  const says = `the outputs are over ${outputFilesMaxOf(job)} files, which this job may have`;
  const cause = new QuorateError('STORE_TOO_MANY_ENTRIES', says, { hint: fewerFiles });
  return new LimitExceeded(limitNamed(job, 'files'), cause);
}

const inSandbox = ({ layout, open }: NonNullable<BuildIo['dependencies']>): SandboxDependencies => ({
  folders: layoutFolders.map((name) => ({ name, tar: layoutTar(layout, name, open) })),
  env: layout.env,
});

function outcomeOf(outcome: SandboxOutcome, built: ImportedTree | undefined): Outcome {
  if (outcome.kind === 'exit')
    return { kind: 'exit', code: outcome.code & 0xff, artifact: built?.root ?? null };
  const { reason, detail } = outcome;
  const told = reason === 'killed' ? 'operator' : reason === 'setup' ? 'sandbox' : reason;
  return { kind: 'aborted', reason: told, detail: detailOf(detail) };
}

type Aborted = Extract<Outcome, { kind: 'aborted' }>;

/** The outputs of a build exceed a limit of its job or of the protocol. */
class LimitExceeded extends QuorateError {
  readonly limit: BuildLimit;

  constructor(limit: BuildLimit, cause: QuorateError) {
    const { code, message, hint } = cause;
    super(code, message, { cause, hint });
    this.limit = limit;
  }
}

/** The limit that an error of a build is about; undefined where it is about none, or about one of this machine. */
export const limitOf = (error: unknown): BuildLimit | undefined =>
  error instanceof LimitExceeded ? error.limit : undefined;

/** The outcome of a build that was ended by an error. */
export function abortedBy(error: unknown): Aborted {
  return { kind: 'aborted', reason: reasonOf(error), detail: detailOf(error) };
}

function reasonOf(error: unknown): Aborted['reason'] {
  const code = codeOf(error);
  if (/^(SOURCE|EGRESS|INPUTS?|DEPENDENCIES|LOCK)_(?!DISK_FULL)/.test(code)) return 'source';
  if (code.startsWith('STORE_') && code !== 'STORE_DISK_FULL') return 'outputs';
  return 'sandbox';
}

/** Detail for a signed document: code, message and hint in one line of printable ASCII, at most 500 characters. */
function detailOf(error: unknown): string {
  const text = typeof error === 'string' ? error : `${codeOf(error)}: ${messageOf(error)}`;
  const hint = error instanceof QuorateError && error.hint !== undefined ? ` (hint: ${error.hint})` : '';
  const plain = (part: string, max: number) => part.replace(/[^\x20-\x7e]+/g, ' ').slice(0, max);
  // The message is cut so that the hint is kept.
  return plain(text, hint === '' ? 400 : 250) + plain(hint, 250);
}
