import { z } from 'zod';
import { QuorateError } from '../../protocol/base/errors.ts';
import type { Entry } from '../../protocol/lock-formats/index.ts';
import { escapedModule } from '../layout/types.ts';
import type { Agent } from './agent.ts';
import { type CargoConfig, readCargoConfig } from './cargo-config.ts';
import { type Address, getBytes, NoAnswer, retried, shown } from './get.ts';
import { fetchLimits } from './limits.ts';
import { type NpmConfig, printedBy, readNpmConfig } from './npm-config.ts';

/** A sparse index says where its crates are (Cargo book, Registry Index, index configuration). */
const cargoIndexConfig = z.object({ dl: z.string().min(1).max(2_000) });

/** Of a package's list of files (PEP 691). */
const pypiList = z.object({
  files: z.array(
    z.object({ filename: z.string(), url: z.string(), hashes: z.record(z.string(), z.string()) }),
  ),
});

/** Where crates are, by the `config.json` of an index: an address, or one with markers. Throws `NoAnswer`. */
export function decodeCrateIndex(text: string, where: string): string {
  const { dl } = parsed(cargoIndexConfig, text, where);
  if (!/^https?:\/\/\S+$/.test(dl) || !URL.canParse(dl.replace(/\{[a-z0-9-]+\}/g, 'x')))
    throw unexpected(where);
  return dl;
}

/** Files of a package with their sha256 in hexadecimal; addresses are relative to `where`. Throws `NoAnswer`. */
export function decodeFileList(text: string, where: string): { url: string; sha256: string }[] {
  return parsed(pypiList, text, where).files.flatMap(({ url, hashes: { sha256 } }) => {
    const whole = URL.parse(url, where);
    // It may become a line of quorate.lock, and of a terminal.
    const isHash = sha256 !== undefined && /^[0-9a-f]{64}$/.test(sha256);
    return isWeb(whole) && isHash ? [{ url: whole.href, sha256 }] : [];
  });
}

const isWeb = (url: URL | null): url is URL => url !== null && ['http:', 'https:'].includes(url.protocol);

function parsed<T>(schema: z.ZodType<T>, text: string, where: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new NoAnswer(`${shown(where)} answered with no JSON`, { status: 200 });
  }
  const result = schema.safeParse(value);
  if (!result.success) throw unexpected(where);
  return result.data;
}

const unexpected = (where: string): NoAnswer =>
  new NoAnswer(`${shown(where)} answered with another list than expected`, { status: 200 });

/** An address of a file. `authorization` is sent only where the server refuses everybody else. */
export type Candidate = Address;

interface Session {
  env: NodeJS.ProcessEnv;
  agent: Agent;
  signal: AbortSignal;
}

/** Addresses of lock files' files, as this host's package managers are configured. Each configuration is read once, when needed. */
export class Registries {
  readonly #session: Session;
  readonly #read = new Map<string, Promise<unknown>>();

  constructor(session: Session) {
    this.#session = session;
  }

  /** Addresses of a file, best first. @throws DEPENDENCIES_CLIENT, and NoAnswer where a registry does not answer */
  async candidates(entry: Entry): Promise<Candidate[]> {
    const { mirror, origin } = entry;
    const named = [mirror, 'url' in origin && origin.kind !== 'git' ? origin.url : undefined];
    const addresses = named.flatMap((url) => (url === undefined ? [] : [{ url }]));
    const asked = origin.kind === 'registry' ? await this.#atRegistry(entry, origin.registry) : [];
    const all = [...addresses, ...asked];
    if (all.length === 0) throw noRegistry(entry);
    return entry.ecosystem === 'npm' ? this.#withNpmCredentials(all) : unique(all);
  }

  #atRegistry(entry: Entry, registry: string | undefined): Candidate[] | Promise<Candidate[]> {
    switch (entry.ecosystem) {
      case 'npm':
        return this.#npm(entry);
      case 'cargo':
        return this.#cargo(entry, registry);
      case 'pypi':
        return this.#pypi(entry);
      case 'go':
        return this.#go(entry);
      case 'generic':
        return [];
    }
  }

  #once<T>(key: string, read: () => Promise<T>): Promise<T> {
    const known = this.#read.get(key) as Promise<T> | undefined;
    const value = known ?? read();
    this.#read.set(key, value);
    return value;
  }

  #npmConfig(): Promise<NpmConfig> {
    const { env, signal, agent } = this.#session;
    return this.#once('npm', async () => {
      const config = await readNpmConfig(env, signal);
      for (const registry of config.registries) agent.name(registry);
      return config;
    });
  }

  async #npm({ name, file }: Entry): Promise<Candidate[]> {
    const registry = (await this.#npmConfig()).registryOf(name);
    return registry === undefined ? [] : [{ url: `${registry}${name}/-/${file}` }];
  }

  async #withNpmCredentials(candidates: readonly Candidate[]): Promise<Candidate[]> {
    const config = await this.#npmConfig();
    return unique(candidates).map(({ url }) => {
      const authorization = config.authorization(url);
      return authorization === undefined ? { url } : { url, authorization };
    });
  }

  async #cargo({ name, version }: Entry, registry: string | undefined): Promise<Candidate[]> {
    const { env } = this.#session;
    const config: CargoConfig = await this.#once('cargo', () => readCargoConfig(env));
    const index = config.indexOf(registry);
    if (index === undefined) return [];
    if (config.isNamed(index)) this.#session.agent.name(index);
    const token = config.authorization(index);
    const authorization = token === undefined ? {} : { authorization: token };
    const list = await this.#once(`cargo ${index}`, () =>
      this.#list({ url: `${index}config.json`, ...authorization }, 'application/json'),
    );
    const url = crateUrl(decodeCrateIndex(list, index), name, version);
    return [{ url, ...authorization }];
  }

  async #pypi({ name, integrity: { digests } }: Entry): Promise<Candidate[]> {
    const files = (await this.pythonFiles(name)) ?? [];
    return files.filter(({ sha256 }) => digests.includes(sha256)).map(({ url }) => ({ url }));
  }

  /** The files of a Python package that the index of this host lists; undefined where none is configured. Throws as `candidates`. */
  async pythonFiles(name: string): Promise<{ url: string; sha256: string }[] | undefined> {
    const { env } = this.#session;
    const index = await this.#once('pypi', () => this.#pipIndex(env));
    if (index === undefined) return undefined;
    this.#session.agent.name(index);
    const url = `${index.replace(/\/$/, '')}/${name}/`;
    const list = await this.#once(`pypi ${url}`, () =>
      this.#list({ url }, 'application/vnd.pypi.simple.v1+json'),
    );
    return decodeFileList(list, url);
  }

  async #pipIndex(env: NodeJS.ProcessEnv): Promise<string | undefined> {
    if (env.PIP_INDEX_URL) return env.PIP_INDEX_URL;
    const printed = await printedBy('pip', ['config', 'list'], env, this.#session.signal);
    const [, set] = /^(?:global|install)\.index-url='([^']+)'$/m.exec(printed ?? '') ?? [];
    if (set !== undefined) return set;
    const ask = 'from pip._internal.models.index import PyPI; print(PyPI.simple_url)';
    const known = await printedBy('python3', ['-I', '-c', ask], env, this.#session.signal).catch(
      () => undefined,
    );
    return known?.trim();
  }

  async #go({ name, file }: Entry): Promise<Candidate[]> {
    const { env, signal } = this.#session;
    const printed = await this.#once('go', async () =>
      env.GOPROXY ? env.GOPROXY : printedBy('go', ['env', 'GOPROXY'], env, signal),
    );
    const proxies = (printed ?? '')
      .trim()
      .split(/[,|]/)
      .filter((proxy) => /^https?:/.test(proxy));
    for (const proxy of proxies) this.#session.agent.name(proxy);
    const path = `${escapedModule(name)}/@v/${escapedModule(file)}`;
    return proxies.map((proxy) => ({ url: `${proxy.replace(/\/$/, '')}/${path}` }));
  }

  async #list(address: Address, accept: string): Promise<string> {
    const { agent, signal } = this.#session;
    const { listMs, listBytesMax: bytesMax } = fetchLimits;
    const limit = AbortSignal.timeout(listMs);
    const both = AbortSignal.any([signal, limit]);
    try {
      const options = { agent, signal: both, accept, bytesMax };
      return await retried(both, async () => (await getBytes(address, options)).toString('utf8'));
    } catch (error) {
      signal.throwIfAborted();
      if (!limit.aborted) throw error;
      const says = `${shown(address.url)} takes longer than ${listMs / 1000} s for a list of files`;
      throw new NoAnswer(says, { cause: error });
    }
  }
}

/** `dl` with its markers, or with the usual path behind it (Cargo book, index configuration). */
function crateUrl(dl: string, crate: string, version: string): string {
  const lower = crate.toLowerCase();
  const [prefix, lowerprefix] = [cratePrefix(crate), cratePrefix(lower)];
  const markers: Record<string, string> = { crate, version, prefix, lowerprefix };
  if (!/\{(crate|version|prefix|lowerprefix|sha256-checksum)\}/.test(dl))
    return `${dl.replace(/\/$/, '')}/${crate}/${version}/download`;
  return dl.replace(/\{([a-z]+)\}/g, (all, name: string) => markers[name] ?? all);
}

function cratePrefix(name: string): string {
  if (name.length <= 2) return String(name.length);
  if (name.length === 3) return `3/${name[0]}`;
  return `${name.slice(0, 2)}/${name.slice(2, 4)}`;
}

function unique(candidates: readonly Candidate[]): Candidate[] {
  return [...new Map(candidates.map((candidate) => [candidate.url, candidate])).values()];
}

const hints: Record<Entry['ecosystem'], string> = {
  npm: 'Set `registry` in ~/.npmrc, or install npm, which knows its own.',
  cargo:
    'Set [source.crates-io] replace-with in ~/.cargo/config.toml to a source whose registry is "sparse+https://…".',
  pypi: 'Set `index-url` with `pip config set global.index-url`, or PIP_INDEX_URL.',
  go: 'Set GOPROXY to an address of a module proxy, or install go, which knows its own.',
  generic: 'Run: quorate lock add URL.',
};

const noRegistry = ({ lock, line, purl, ecosystem, origin }: Entry): QuorateError => {
  const isGit = origin.kind === 'git';
  const what = `${lock}:${line}: there is no address for ${purl}${isGit ? ', which is from a git repository' : ''}`;
  return new QuorateError('DEPENDENCIES_CLIENT', what, {
    hint: isGit
      ? 'Run: quorate lock. It writes the address of an archive of that commit into quorate.lock.'
      : hints[ecosystem],
  });
};
