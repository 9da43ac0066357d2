import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf, QuorateError } from '../../../protocol/base/errors.ts';
import type { ImageReference } from './reference.ts';

/** Value of `authorization` for a registry, and the file that it is from. */
export interface Credential {
  authorization: string;
  file: string;
}

/** Members that are read of the files of container tools: docker-config(5), containers-auth.json(5). */
const schema = z.looseObject({
  auths: z.record(z.string(), z.looseObject({ auth: z.string().optional() })).optional(),
  credsStore: z.string().optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
});

/** As `docker login` or `skopeo login` left it; undefined where there is none. Runs no helper programs. @throws IMAGE_CREDENTIALS */
export async function credentialFor(
  { host, name }: ImageReference,
  env: NodeJS.ProcessEnv,
): Promise<Credential | undefined> {
  for (const file of filesOf(env)) {
    const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') return undefined;
      throw unusable(file, cause);
    });
    if (text === undefined) continue;
    const { auths = {} } = decode(file, text);
    const auth = keysOf(host, name).flatMap((key) => auths[key]?.auth ?? [])[0];
    if (auth === undefined || auth === '') continue;
    if (!/^[A-Za-z0-9+/]+={0,2}$/.test(auth)) throw unusable(file, `its entry for ${host} is not base64`);
    return { authorization: `Basic ${auth}`, file };
  }
  return undefined;
}

/** In the order in which container tools look. */
function filesOf({ REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR, DOCKER_CONFIG, HOME }: NodeJS.ProcessEnv): string[] {
  const docker = DOCKER_CONFIG ?? (HOME === undefined ? undefined : join(HOME, '.docker'));
  return [
    REGISTRY_AUTH_FILE ?? [],
    XDG_RUNTIME_DIR === undefined ? [] : join(XDG_RUNTIME_DIR, 'containers', 'auth.json'),
    docker === undefined ? [] : join(docker, 'config.json'),
  ].flat();
}

/** Entries may be of one image, of a part of its name, or of the whole registry. */
function keysOf(host: string, name: string): string[] {
  const parts = name.split('/');
  const prefixes = parts.map((_, at) => `${host}/${parts.slice(0, parts.length - at).join('/')}`);
  return [...prefixes, host, ...['', '/', '/v1/', '/v2/'].map((end) => `https://${host}${end}`)];
}

function decode(file: string, text: string): z.infer<typeof schema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw unusable(file, cause);
  }
  const { data, error } = schema.safeParse(value);
  if (data === undefined) throw unusable(file, error);
  return data;
}

const unusable = (file: string, cause: unknown): QuorateError =>
  new QuorateError(
    'IMAGE_CREDENTIALS',
    `the credentials in ${file} cannot be used: ${typeof cause === 'string' ? cause : messageOf(cause).slice(0, 200)}`,
    { hint: 'Log in again: skopeo login, or docker login.', cause },
  );
