import { Readable } from 'node:stream';
import { findTool, openSandboxes, type ProbeWatch, type Tier } from '../../../sandbox/index.ts';
import { assert } from '../../protocol/base/errors.ts';
import type { Tree, TreeEntry } from '../../store/index.ts';
import { writeFilesTar } from '../../store/tar-write.ts';
import { comparisonLimits as bounds } from './limits.ts';

export interface FilePair {
  a: TreeEntry;
  b: TreeEntry;
}

/** The files of both sides as tar archives, so that no store is in use while diffoscope runs. */
export interface PackedPairs {
  count: number;
  a: Uint8Array;
  b: Uint8Array;
}

/** Tiers that run a program of the host. A namespace shares the host's kernel with the bytes of others. */
export type DiffoscopeTier = Extract<Tier, 'gvisor' | 'namespace'>;

export const hasDiffoscope = (): boolean => findTool('diffoscope') !== undefined;

/** The pairs within its bounds. */
export function boundedPairs(pairs: readonly FilePair[]): FilePair[] {
  let bytes = 0;
  return pairs.slice(0, bounds.diffoscopeFilesMax).filter(({ a, b }) => {
    const more = a.size + b.size;
    if (bytes + more > bounds.diffoscopeInputBytesMax) return false;
    bytes += more;
    return true;
  });
}

/** Reads as many of the pairs, from the first on, as diffoscope is given. @throws {QuorateError} `STORE_…` */
export async function packPairs(
  a: Tree,
  b: Tree,
  pairs: readonly FilePair[],
  signal: AbortSignal,
): Promise<PackedPairs> {
  const few = boundedPairs(pairs);
  const pack = async (tree: Tree, side: 'a' | 'b'): Promise<Uint8Array> => {
    const files = few.map((pair) => pair[side]);
    return Buffer.concat(await writeFilesTar(tree, files, signal).toArray());
  };
  return { count: few.length, a: await pack(a, 'a'), b: await pack(b, 'b') };
}

/** The folders of both sides are named in the report. Metadata of files is the sandbox's, not theirs. Exits 1 if they differ. */
const step = `cd ../in; diffoscope --exclude-directory-metadata=recursive --text-color never --max-text-report-size ${bounds.diffoscopeOutputBytesMax} --text - a b || test $? = 1`;

/**
 * Runs diffoscope, and the tools that it starts, in a sandbox without a network: the files are of strangers. Resolves to why its report is
 * incomplete, undefined where it is whole. @throws {QuorateError} `SANDBOX_…`
 */
export async function runDiffoscope(
  options: {
    packed: PackedPairs;
    /** The home: holds the sandbox's job records. */
    stateDir: string;
    tier: DiffoscopeTier;
    onProbe: NonNullable<ProbeWatch['onStep']>;
    /** Gets what diffoscope writes, raw: control characters included. At most `diffoscopeOutputBytesMax`. */
    onOutput(chunk: Uint8Array): void;
    signal: AbortSignal;
  },
  open = openSandboxes,
): Promise<string | undefined> {
  const { packed, stateDir, tier, onProbe, onOutput, signal } = options;
  // For bytes of others: a tier with known vulnerabilities is not opened.
  const sandbox = (await open(stateDir, { tiers: [tier], onStep: onProbe, signal })).for('host');
  assert(sandbox !== undefined, `the tier ${tier} runs programs of the host`);
  let left: number = bounds.diffoscopeOutputBytesMax;
  const full = new AbortController();
  const outcome = await sandbox.run(
    {
      source: streamOf(emptyTar),
      inputs: (['a', 'b'] as const).map((name) => ({ name, tar: streamOf(packed[name]) })),
      run: [step],
      env: {},
      outputs: [],
      limits: {
        cpus: 1,
        pids: bounds.diffoscopePids,
        seconds: bounds.diffoscopeSecondsMax,
        memoryBytes: bounds.diffoscopeMemoryBytes,
        diskBytes: bounds.diffoscopeDiskBytes,
      },
      image: 'host',
    },
    {
      onLog: (chunk) => {
        const kept = chunk.subarray(0, left);
        left -= kept.length;
        if (kept.length > 0) onOutput(kept);
        if (left === 0) full.abort();
      },
      onOutputs: async (outputs) => void outputs.resume(),
      signal: AbortSignal.any([signal, full.signal]),
    },
  );
  signal.throwIfAborted();
  if (full.signal.aborted) return 'its report is too long';
  if (outcome.kind === 'aborted') return `${outcome.reason}: ${outcome.detail}`;
  return outcome.code === 0 ? undefined : `it failed with exit ${outcome.code}`;
}

/** The end mark of tar(5). */
const emptyTar = new Uint8Array(1024);

const streamOf = (bytes: Uint8Array): Readable => Readable.from([bytes], { objectMode: false });
