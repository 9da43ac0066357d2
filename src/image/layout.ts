import { createHash } from 'node:crypto';
import { z } from 'zod';
import { QuorateError } from '../protocol/base/errors.ts';
import { printable } from '../protocol/base/escape.ts';
import { limits } from '../protocol/base/limits.ts';
import { wholeBytes } from '../protocol/base/whole-bytes.ts';
import type { Blob, Blobs, Wanted } from './blobs.ts';
import { damaged, notAnImage, tooLarge } from './errors.ts';
import { imageLimits } from './limits.ts';

/** Processor architectures, as named in jobs. */
export type Arch = 'x86_64' | 'aarch64';

/** Their names in OCI images (GOARCH). */
const goArch: Readonly<Record<Arch, string>> = { x86_64: 'amd64', aarch64: 'arm64' };

const digest = z.string().regex(/^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/);
const platform = z.looseObject({
  architecture: z.string().max(100),
  os: z.string().max(100),
  variant: z.string().max(100).optional(),
});
const descriptor = z.looseObject({
  mediaType: z.string().max(300),
  digest,
  size: z.int().min(0),
  platform: platform.optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});
type Descriptor = z.infer<typeof descriptor>;

/** OCI image index, manifest and configuration (opencontainers/image-spec). Docker's older ones have the same fields. */
export const indexSchema = z.looseObject({ manifests: z.array(descriptor).max(imageLimits.blobsMax) });
export const manifestSchema = z.looseObject({
  config: descriptor,
  layers: z.array(descriptor).max(imageLimits.layersMax),
});
export const configSchema = z.looseObject({
  architecture: z.string().max(100),
  os: z.string().max(100),
  rootfs: z.looseObject({ diff_ids: z.array(digest).max(imageLimits.layersMax) }),
});
/** manifest.json of `docker save`. */
export const savedSchema = z
  .array(
    z.looseObject({
      Config: z.string().max(limits.pathBytesMax),
      RepoTags: z.array(z.string().max(1000)).nullish(),
      Layers: z.array(z.string().max(limits.pathBytesMax)).max(imageLimits.layersMax),
    }),
  )
  .max(imageLimits.blobsMax);

/** Parses and validates JSON. @throws IMAGE_INVALID */
export function decodeJson<T>(bytes: Uint8Array, schema: z.ZodType<T>, what: string): T {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw damaged(`${what} is not JSON`, cause);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const where = result.error.issues[0]?.path.map(String).join('.').slice(0, 200) || 'its root';
  throw damaged(`${what} is not valid at ${printable(where)}`);
}

/** Reads a blob of bounded size. @throws IMAGE_INVALID, IMAGE_TOO_LARGE */
async function readSmall(blobs: Blobs, name: string, wanted?: Wanted): Promise<Uint8Array> {
  const isSmall = (size: number): boolean => size <= imageLimits.manifestBytesMax;
  const blob = wanted === undefined || isSmall(wanted.size) ? await blobs.open(name, wanted) : undefined;
  if (blob === undefined || !isSmall(blob.size))
    throw tooLarge(`${printable(name)} of the image is over ${imageLimits.manifestBytesMax} bytes`);
  const grew = () => damaged(`${printable(name)} changed while it was read`);
  return wholeBytes(blob.stream(), blob.size, grew);
}

const blobName = (of: string): string => `blobs/${of.replace(':', '/')}`;

/** Reads a blob and verifies its digest and size. @throws IMAGE_INVALID, IMAGE_TOO_LARGE */
async function readNamed(blobs: Blobs, wanted: Descriptor): Promise<Uint8Array> {
  const { digest: of, size } = wanted;
  const bytes = await readSmall(blobs, blobName(of), wanted);
  const algorithm = of.startsWith('sha512:') ? 'sha512' : 'sha256';
  const hash = createHash(algorithm).update(bytes).digest('hex');
  if (!of.endsWith(`:${hash}`) || bytes.length !== size)
    throw damaged(`the file named ${of.slice(0, 23)}… does not have that digest, or not its size`);
  return bytes;
}

export interface Layer {
  /** Digest of the blob; undefined in the older format of `docker save`. */
  digest: string | undefined;
  size: number | undefined;
  /** Digest of the unpacked archive (`diff_id`). */
  diff: string;
  open(): Promise<Blob>;
}

export interface ImageSelection {
  /** Tag or name. Required if there are several. */
  name?: string | undefined;
  arch: Arch;
}

/** Layers of one image, lowest first; all but they are verified. @throws IMAGE_INVALID, IMAGE_TOO_LARGE, IMAGE_ARCH_MISMATCH, IMAGE_AMBIGUOUS */
export async function layersOf(blobs: Blobs, choice: ImageSelection): Promise<Layer[]> {
  // Newer versions of docker save write both formats; the OCI layout names its blobs by digest.
  if (await blobs.has('index.json')) return layoutLayers(blobs, choice);
  if (await blobs.has('manifest.json')) return savedLayers(blobs, choice);
  throw notAnImage(
    'this is neither an OCI image layout (with an index.json) nor output of "docker save" (with a manifest.json)',
  );
}

async function layoutLayers(blobs: Blobs, choice: ImageSelection): Promise<Layer[]> {
  const index = decodeJson(await readSmall(blobs, 'index.json'), indexSchema, 'index.json');
  const named = pickName(index.manifests, choice.name);
  const manifest = await pickManifest(blobs, named, choice.arch, 1);
  const { config, layers } = decodeJson(await readNamed(blobs, manifest), manifestSchema, 'its manifest');
  const diffs = diffsOf(await readNamed(blobs, config), choice.arch);
  if (diffs.length !== layers.length)
    throw damaged(`its manifest has ${layers.length} layers, its configuration ${diffs.length}`);
  return layers.map(({ mediaType, digest, size }, index) => {
    if (!/^application\/vnd\.(oci\.image\.layer|docker\.image\.rootfs)\b.*\btar\b/.test(mediaType))
      throw notAnImage(`a layer of the image is ${printable(mediaType)}, not a tar archive`);
    const open = () => blobs.open(blobName(digest), { mediaType, digest, size });
    return { digest, size, diff: diffs[index] ?? '', open };
  });
}

const nameOf = ({ annotations = {} }: Descriptor): string | undefined =>
  annotations['org.opencontainers.image.ref.name'] ?? annotations['io.containerd.image.name'];

function pickName(all: readonly Descriptor[], name: string | undefined): readonly Descriptor[] {
  const names = [...new Set(all.flatMap((one) => nameOf(one) ?? []))];
  if (name !== undefined) {
    const found = all.filter((one) => nameOf(one) === name);
    if (found.length === 0) throw ambiguous(`the file has no image ${printable(name)}`, names);
    return found;
  }
  if (names.length > 1) throw ambiguous(`the file has ${names.length} images`, names);
  return all;
}

const ambiguous = (what: string, names: readonly string[]): QuorateError =>
  new QuorateError('IMAGE_AMBIGUOUS', what, {
    hint:
      names.length === 0
        ? 'Its images have no names: omit --name.'
        : `Select one: --name ${names.slice(0, 10).map(printable).join(' or ')}`,
  });

export const isIndex = ({ mediaType }: Pick<Descriptor, 'mediaType'>): boolean =>
  mediaType === 'application/vnd.oci.image.index.v1+json' ||
  mediaType === 'application/vnd.docker.distribution.manifest.list.v2+json';
export const isManifest = ({ mediaType }: Pick<Descriptor, 'mediaType'>): boolean =>
  mediaType === 'application/vnd.oci.image.manifest.v1+json' ||
  mediaType === 'application/vnd.docker.distribution.manifest.v2+json';

/** The manifest for an architecture. An index may list several, and attestations. */
async function pickManifest(
  blobs: Blobs,
  all: readonly Descriptor[],
  arch: Arch,
  depth: number,
): Promise<Descriptor> {
  const fits = all.filter(
    ({ platform }) =>
      platform === undefined || (platform.os === 'linux' && platform.architecture === goArch[arch]),
  );
  const [first, second] = fits.filter((one) => isIndex(one) || isManifest(one));
  if (first === undefined) throw otherArch(arch, all);
  if (second !== undefined) throw ambiguous(`the file has ${fits.length} images for this processor`, []);
  if (isManifest(first)) return first;
  if (depth > imageLimits.indexDepthMax) throw damaged('its indexes are nested too deeply');
  const { manifests } = decodeJson(await readNamed(blobs, first), indexSchema, 'an index');
  return pickManifest(blobs, manifests, arch, depth + 1);
}

function otherArch(arch: Arch, all: readonly Descriptor[]): QuorateError {
  const there = all.flatMap(({ platform }) =>
    platform === undefined ? [] : printable(`${platform.os}/${platform.architecture}`),
  );
  const found = there.length === 0 ? '' : `; it is for ${there.slice(0, 10).join(', ')}`;
  return new QuorateError('IMAGE_ARCH_MISMATCH', `the image is not for Linux on ${arch}${found}`, {
    hint: 'Get the image for that processor, or name the one it is for: --arch.',
  });
}

function diffsOf(config: Uint8Array, arch: Arch): string[] {
  const { architecture, os, rootfs } = decodeJson(config, configSchema, 'its configuration');
  if (os !== 'linux' || architecture !== goArch[arch])
    throw otherArch(arch, [{ platform: { os, architecture } } as Descriptor]);
  return rootfs.diff_ids;
}

async function savedLayers(blobs: Blobs, { name, arch }: ImageSelection): Promise<Layer[]> {
  const saved = decodeJson(await readSmall(blobs, 'manifest.json'), savedSchema, 'manifest.json');
  const names = saved.flatMap(({ RepoTags }) => RepoTags ?? []);
  const found = name === undefined ? saved : saved.filter(({ RepoTags }) => RepoTags?.includes(name));
  const [one, second] = found;
  if (one === undefined) throw ambiguous(`the file has no image ${printable(name ?? '')}`, names);
  if (second !== undefined) throw ambiguous(`the file has ${saved.length} images`, names);
  const config = await readSmall(blobs, one.Config);
  const [, digest] = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(one.Config) ?? [];
  if (digest !== undefined && createHash('sha256').update(config).digest('hex') !== digest)
    throw damaged('its configuration does not have the digest it is named by');
  const diffs = diffsOf(config, arch);
  if (diffs.length !== one.Layers.length)
    throw damaged(`its manifest has ${one.Layers.length} layers, its configuration ${diffs.length}`);
  return one.Layers.map((path, index) => {
    const open = () => blobs.open(path);
    return { digest: undefined, size: undefined, diff: diffs[index] ?? '', open };
  });
}
