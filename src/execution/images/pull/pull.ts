import { createHash } from 'node:crypto';
import { NoAnswer, openAgent, retried, wholeOf } from '../../../dependencies/index.ts';
import { type Arch, type ImageProgress, type Layer, layersOf, readImageFrom } from '../../../image/index.ts';
import { imageLimits } from '../../../image/limits.ts';
import { reachFrom } from '../../../node/reach.ts';
import { messageOf, QuorateError } from '../../../protocol/base/errors.ts';
import { pullLimits } from '../limits.ts';
import { type MadeImage, type Making, makeImage } from '../make.ts';
import { credentialFor } from './credentials.ts';
import { parseReference, referenceText } from './reference.ts';
import { isHere, Registry } from './registry.ts';
import { manifestTypes, RegistryBlobs } from './registry-blobs.ts';

export interface PullOptions extends Making {
  /** `HOST/NAME@sha256:…`. */
  reference: string;
  arch: Arch;
  /** Layers are kept in this folder, by their digest. */
  cache: string;
  /** Where container tools of this account have their credentials. */
  env: NodeJS.ProcessEnv;
  /** Whether a registry that is not on this host may be asked without TLS. */
  plainHttp: boolean;
  onProgress?: ((step: PullStep, bytes: number, total: number | undefined) => void) | undefined;
}

export type PullStep = 'fetch' | Parameters<ImageProgress>[0];

/** The same image as of its OCI layout. @throws IMAGE_REFERENCE_INVALID, `IMAGE_PULL_…`, and as `importImage` */
export async function pullImage(options: PullOptions): Promise<MadeImage> {
  const { reference: text, arch, cache, env, plainHttp, onProgress } = options;
  const reference = parseReference(text);
  const agent = await openAgent({ isDirect: isHere(reference), reach: reachFrom(env) });
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  try {
    const credential = await credentialFor(reference, env);
    const registry = new Registry(reference, { agent, credential, plainHttp, signal });
    if (reference.digest === undefined) throw await digestNeeded(registry, text, reference.tag, signal);
    let fetched = 0;
    let total: number | undefined;
    const onBytes = (count: number): void => {
      if (total === undefined) return;
      fetched += count;
      onProgress?.('fetch', fetched, total);
    };
    const blobs = new RegistryBlobs({ registry, reference, cache, signal, onBytes });
    const layers = await layersOf(blobs, { arch });
    total = sizeOf(layers);
    await fetchAll(layers, signal);
    total = undefined;
    return await makeImage(options, referenceText(reference), (scratch) =>
      readImageFrom(blobs, { scratch, arch, signal, onProgress }),
    );
  } catch (error) {
    // The cache of layers is the one of dependencies.
    if (error instanceof QuorateError && error.code === 'DEPENDENCIES_CACHE')
      throw new QuorateError('IMAGE_PULL_FAILED', `the layers cannot be kept: ${error.message}`, {
        hint: 'Make room on that disk, or correct the permissions of the folder.',
        cause: error,
      });
    throw error;
  } finally {
    stop.abort();
    await agent.destroy();
  }
}

/** @throws IMAGE_TOO_LARGE */
function sizeOf(layers: readonly Layer[]): number {
  const total = layers.reduce((sum, { size = 0 }) => sum + size, 0);
  const says = `the layers of the image are over ${imageLimits.layerBytesMax} bytes`;
  const hint = 'Make the image smaller: a build needs few packages.';
  if (total > imageLimits.layerBytesMax) throw new QuorateError('IMAGE_TOO_LARGE', says, { hint });
  return total;
}

/** Opens each layer once, a few at a time, so that all of them are here. */
async function fetchAll(layers: readonly Layer[], signal: AbortSignal): Promise<void> {
  const distinct = new Map(layers.map((layer) => [layer.digest, layer])).values();
  const worker = async (): Promise<void> => {
    for (const layer of distinct) {
      signal.throwIfAborted();
      await layer.open();
    }
  };
  await Promise.all(Array.from({ length: pullLimits.parallel }, worker));
}

/** The error for a reference without a digest: it names the one that the tag has now, where the registry tells. */
async function digestNeeded(
  registry: Registry,
  text: string,
  tag: string | undefined,
  signal: AbortSignal,
): Promise<QuorateError> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(pullLimits.smallMs)]);
  const find = async (): Promise<string> => {
    const { manifestBytesMax: bytesMax } = imageLimits;
    const of = { accept: manifestTypes, bytesMax, signal: limit };
    const bytes = await wholeOf(await registry.get(`manifests/${tag ?? 'latest'}`, of));
    return `Now it has this one: quorate image pull ${text}@sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  };
  const hint = await retried(limit, find).catch((error: unknown) => {
    signal.throwIfAborted();
    if (error instanceof NoAnswer && error.status === 404)
      return 'The registry has no such image or tag (it answered 404): check both names.';
    return `skopeo inspect docker://${text} prints it; the registry could not be asked for it: ${messageOf(error)}`;
  });
  const says = `${text} names no digest, and a tag names another image tomorrow`;
  return new QuorateError('IMAGE_REFERENCE_INVALID', says, { hint });
}
