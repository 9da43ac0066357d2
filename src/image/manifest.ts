import { createHash } from 'node:crypto';
import { z } from 'zod';
import { limits } from '../protocol/base/limits.ts';
import type { Blob, Blobs, Wanted } from './blobs.ts';
import { damaged, printable, tooLarge } from './errors.ts';
import { imageLimits } from './limits.ts';

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
export type Descriptor = z.infer<typeof descriptor>;

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
export async function readSmall(blobs: Blobs, name: string, wanted?: Wanted): Promise<Uint8Array> {
  const isSmall = (size: number): boolean => size <= imageLimits.manifestBytesMax;
  const blob: Blob | undefined =
    wanted === undefined || isSmall(wanted.size) ? await blobs.open(name, wanted) : undefined;
  if (blob === undefined || !isSmall(blob.size))
    throw tooLarge(`${printable(name)} of the image is over ${imageLimits.manifestBytesMax} bytes`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of blob.stream() as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    // The file grew while it was read.
    if (size > blob.size) throw damaged(`${printable(name)} changed while it was read`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export const blobName = (of: string): string => `blobs/${of.replace(':', '/')}`;

/** Reads a blob and verifies its digest and size. @throws IMAGE_INVALID, IMAGE_TOO_LARGE */
export async function readNamed(blobs: Blobs, wanted: Descriptor): Promise<Uint8Array> {
  const { digest: of, size } = wanted;
  const bytes = await readSmall(blobs, blobName(of), wanted);
  const hash = createHash(of.startsWith('sha512:') ? 'sha512' : 'sha256')
    .update(bytes)
    .digest('hex');
  if (!of.endsWith(`:${hash}`) || bytes.length !== size)
    throw damaged(`the file named ${of.slice(0, 23)}… does not have that digest, or not its size`);
  return bytes;
}
