import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import {
  DownloadCache,
  type FetchedFile,
  type Got,
  NoAnswer,
  retried,
  WrongHash,
  wholeOf,
} from '../../../dependencies/index.ts';
import { type Blob, type Blobs, isIndex, isManifest, type Wanted } from '../../../image/index.ts';
import { imageLimits } from '../../../image/limits.ts';
import { messageOf, QuorateError } from '../../../protocol/base/errors.ts';
import { pullLimits } from '../limits.ts';
import { type ImageReference, referenceText } from './reference.ts';
import type { Registry } from './registry.ts';

const types = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
} as const;
/** Docker's older types have the same fields. */
export const manifestTypes = [
  ...Object.values(types),
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

export interface RegistryBlobsOptions {
  registry: Registry;
  reference: ImageReference;
  /** Blobs are kept in this folder, by their digest. */
  cache: string;
  signal: AbortSignal;
  /** Told of bytes of blobs as they come, from the cache at once. */
  onBytes(count: number): void;
}

/** One image of a registry as an OCI layout: index.json names the digest that is asked for. Nothing is given that has another one. */
export class RegistryBlobs implements Blobs {
  readonly #options: RegistryBlobsOptions;
  readonly #cache: DownloadCache;
  readonly #small = new Map<string, Buffer>();
  /** Files that were found or fetched. The reader of a layer compares its digest again. */
  readonly #here = new Map<string, FetchedFile>();

  constructor(options: RegistryBlobsOptions) {
    this.#options = options;
    this.#cache = new DownloadCache(options.cache);
  }

  async has(name: string): Promise<boolean> {
    return name === 'index.json';
  }

  /** @throws IMAGE_PULL_FAILED, IMAGE_PULL_MISMATCH, IMAGE_PULL_DENIED, and of the cache DEPENDENCIES_CACHE */
  async open(name: string, wanted?: Wanted): Promise<Blob> {
    if (wanted === undefined) return blobOf(await this.#index());
    if (isIndex(wanted) || isManifest(wanted)) {
      const bytes = await this.#manifest(wanted.digest);
      if (kindOf(bytes) !== (isIndex(wanted) ? 'index' : 'manifest'))
        throw this.#failed(`${name} is not of the type that it is listed as`);
      return blobOf(bytes);
    }
    const file = this.#here.get(wanted.digest) ?? (await this.#blob(wanted));
    this.#here.set(wanted.digest, file);
    return {
      size: file.size,
      head: async () => Buffer.concat(await createReadStream(file.path, { end: 15 }).toArray()),
      stream: () => createReadStream(file.path),
    };
  }

  async close(): Promise<void> {
    await this.#cache.trim();
  }

  async #index(): Promise<Buffer> {
    const { digest = '' } = this.#options.reference;
    const bytes = await this.#manifest(digest);
    const manifest = { mediaType: types[kindOf(bytes) ?? 'manifest'], digest, size: bytes.length };
    return Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
  }

  async #manifest(digest: string): Promise<Buffer> {
    const kept = this.#small.get(digest);
    if (kept !== undefined) return kept;
    const { registry } = this.#options;
    const path = `manifests/${digest}`;
    const bytes = await this.#tried(path, pullLimits.smallMs, async (signal) => {
      const bytesMax = imageLimits.manifestBytesMax;
      return wholeOf(await registry.get(path, { accept: manifestTypes, bytesMax, signal }));
    });
    const [algorithm = '', wanted] = digest.split(':');
    const found = createHash(algorithm).update(bytes).digest('hex');
    if (found !== wanted) throw this.#mismatch(digest, `${algorithm}:${found}`);
    this.#small.set(digest, bytes);
    return bytes;
  }

  /** A layer or a configuration on this disk, fetched where it is not there. */
  async #blob({ digest, size }: Wanted): Promise<FetchedFile> {
    const { registry, onBytes } = this.#options;
    const [named, hex = ''] = digest.split(':');
    const algorithm = named === 'sha512' ? ('sha512' as const) : ('sha256' as const);
    const wanted = { integrity: { algorithm, digests: [hex] }, file: 'layer' };
    const kept = await this.#cache.find(wanted);
    if (kept !== undefined) {
      onBytes(kept.size);
      return kept;
    }
    let counted = 0;
    const count = (bytes: number): void => {
      const more = Math.min(bytes, size - counted);
      counted += more;
      onBytes(more);
    };
    const fetch = async (signal: AbortSignal): Promise<FetchedFile> => {
      const claimed = await this.#cache.claim(digest);
      const from = claimed <= size ? claimed : 0;
      if (counted === 0) count(from);
      const got =
        from === size
          ? { body: [], from }
          : await registry.get(`blobs/${digest}`, { from, bytesMax: size, isSize: true, signal });
      const source = { body: exactly(got.body, got.from, size), from: got.from };
      return await this.#cache.take(digest, wanted, source, count);
    };
    try {
      return await this.#tried(`blobs/${digest}`, pullLimits.layerMs, fetch);
    } catch (error) {
      throw error instanceof WrongHash ? this.#mismatch(digest, error.message) : error;
    } finally {
      await this.#cache.leave(digest);
    }
  }

  /** Tries as often as a registry may be asked. @throws IMAGE_PULL_FAILED */
  async #tried<T>(path: string, ms: number, attempt: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const limit = AbortSignal.timeout(ms);
    const signal = AbortSignal.any([this.#options.signal, limit]);
    try {
      return await retried(signal, () => attempt(signal));
    } catch (error) {
      this.#options.signal.throwIfAborted();
      if (limit.aborted) throw this.#failed(`${path} takes longer than ${ms / 60_000} minutes`, error);
      if (error instanceof NoAnswer) throw this.#failed(`${path}: ${messageOf(error)}`, error);
      throw error;
    }
  }

  #failed(what: string, cause?: unknown): QuorateError {
    const hint =
      cause instanceof NoAnswer && cause.status === 404
        ? 'The registry has no such image: check name and digest.'
        : 'Check name, digest and network. What was fetched is kept: pulling again goes on there.';
    const says = `${referenceText(this.#options.reference)} cannot be pulled: ${what}`;
    return new QuorateError('IMAGE_PULL_FAILED', says, { hint, cause });
  }

  #mismatch(digest: string, found: string): QuorateError {
    return new QuorateError(
      'IMAGE_PULL_MISMATCH',
      `the registry sends bytes as ${digest} of ${referenceText(this.#options.reference)} that do not have this digest: ${found}`,
      { hint: 'Do not use the image before you know who changed it.' },
    );
  }
}

/** A body that continues after `from` bytes, of exactly this size. Throws `NoAnswer` where it ends early. */
async function* exactly(
  body: Got['body'] | readonly Uint8Array[],
  from: number,
  size: number,
): AsyncGenerator<Uint8Array> {
  let at = from;
  for await (const chunk of body) {
    at += chunk.length;
    yield chunk;
  }
  if (at < size) throw new NoAnswer(`the answer has ${at} bytes of ${size}`);
}

/** By what it holds: a registry may state another type. Undefined for what is both or none. */
function kindOf(bytes: Buffer): keyof typeof types | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof value !== 'object' || value === null) return undefined;
    const [index, manifest] = ['manifests' in value, 'layers' in value || 'config' in value];
    if (index === manifest) return undefined;
    return index ? 'index' : 'manifest';
  } catch {
    return undefined;
  }
}

const blobOf = (bytes: Buffer): Blob => ({
  size: bytes.length,
  head: async () => bytes.subarray(0, 16),
  stream: () => Readable.from(bytes.length === 0 ? [] : [bytes], { objectMode: false }),
});
