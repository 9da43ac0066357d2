import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { parse as parseIni } from 'ini';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { fetchLimits } from './limits.ts';

/** The configuration that a package manager prints; undefined where it is not installed. Throws `DEPENDENCIES_CLIENT`. */
export async function printedBy(
  program: string,
  args: string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { clientMs: timeout, clientBytesMax: maxBuffer } = fetchLimits;
  try {
    const { stdout } = await promisify(execFile)(program, args, {
      env,
      signal,
      cwd: '/',
      timeout,
      maxBuffer,
    });
    return stdout;
  } catch (cause) {
    signal.throwIfAborted();
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    const words = [program, ...args].join(' ');
    throw new QuorateError('DEPENDENCIES_CLIENT', `${words}: ${messageOf(cause)}`, { cause });
  }
}

/** The registries that npm on this host would ask, and with which credentials. */
export interface NpmConfig {
  /** The registries that are configured: the general one, and those of scopes. */
  readonly registries: readonly string[];
  /** The registry of a package, by its scope where that has one of its own; undefined where none is configured. */
  registryOf(name: string): string | undefined;
  /** Credentials that npm would send to this address; in the clear only to this host, or to a registry configured with http. */
  authorization(url: string): string | undefined;
}

type Settings = Record<string, unknown>;

/** npm's configuration as `npm config` prints it, offline, with the credentials of its files. @throws DEPENDENCIES_CLIENT */
export async function readNpmConfig(env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<NpmConfig> {
  const printed = await printedBy('npm', ['config', 'list', '--json', '--long'], env, signal);
  const settings = printed === undefined ? {} : jsonObject(printed);
  const files = ['globalconfig', 'userconfig'].map((key) => settings[key]);
  const secrets: Settings = {};
  for (const path of files) if (typeof path === 'string') Object.assign(secrets, await readNpmrc(path, env));
  return npmConfigOf(settings, secrets);
}

/** `settings` are those that npm prints, `secrets` those of its files. */
function npmConfigOf(settings: Settings, secrets: Settings): NpmConfig {
  const text = (key: string, from: Settings = settings): string | undefined => {
    const value = Object.hasOwn(from, key) ? from[key] : undefined;
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const registries = Object.keys(settings)
    .filter((key) => key === 'registry' || key.endsWith(':registry'))
    .flatMap((key) => text(key) ?? []);
  /** Whether some registry of the configuration is at the origin of this address. */
  const isRegistry = (url: string): boolean =>
    registries.some((one) => URL.parse(one)?.origin === new URL(url).origin);
  return {
    registries,
    registryOf(name) {
      const scope = name.startsWith('@') ? text(`${name.split('/')[0]}:registry`) : undefined;
      return slashed(scope ?? text('registry'));
    },
    authorization: (url) =>
      isReadOnTheWay(url) && !isRegistry(url) ? undefined : credentialsFor(url, (key) => text(key, secrets)),
  };
}

function isReadOnTheWay(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  const isHere = hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d+){3}$/.test(hostname);
  return protocol === 'http:' && !isHere;
}

const slashed = (url: string | undefined): string | undefined => url && (url.endsWith('/') ? url : `${url}/`);

/** By the longest path that has some, as npm's `npm-registry-fetch` looks for them. */
function credentialsFor(url: string, get: (key: string) => string | undefined): string | undefined {
  const { host, pathname } = new URL(url);
  let path = `//${host}${pathname}`;
  while (path.length > '//'.length) {
    for (const at of path.endsWith('/') ? [path] : [`${path}/`, path]) {
      const token = get(`${at}:_authToken`);
      if (token !== undefined) return `Bearer ${token}`;
      const basic = get(`${at}:_auth`);
      if (basic !== undefined) return `Basic ${basic}`;
      const user = get(`${at}:username`);
      const password = get(`${at}:_password`);
      if (user !== undefined && password !== undefined) {
        const plain = Buffer.from(password, 'base64').toString('utf8');
        return `Basic ${Buffer.from(`${user}:${plain}`).toString('base64')}`;
      }
    }
    path = path.replace(/\/?[^/]*\/?$/, '');
  }
  return undefined;
}

async function readNpmrc(path: string, env: NodeJS.ProcessEnv): Promise<Settings> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new QuorateError('DEPENDENCIES_CLIENT', `${path}: ${messageOf(cause)}`, { cause });
  }
  // `${NAME}` is a variable; one that is not set stays as it is written, as in npm.
  const whole = (value: string) =>
    value.replace(/(?<!\\)\$\{([^${}]+)\}/g, (all, name: string) => env[name] ?? all);
  return Object.fromEntries(
    Object.entries(parseIni(text)).map(([key, value]) => [
      whole(key),
      typeof value === 'string' ? whole(value) : value,
    ]),
  );
}

function jsonObject(text: string): Settings {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Settings;
  } catch {
    // Said below.
  }
  throw new QuorateError('DEPENDENCIES_CLIENT', 'npm config list --json printed no JSON');
}
