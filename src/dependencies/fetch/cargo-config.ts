import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parse as parseToml } from 'smol-toml';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';

/** The addresses at which cargo on this host would ask for the index of a registry. */
export interface CargoConfig {
  /** The sparse index of a registry (default: crates.io), ending in a slash; undefined without one: a git index is not read. */
  indexOf(registry: string | undefined): string | undefined;
  /** Whether an index is of this configuration, and not only of the lock file. */
  isNamed(index: string): boolean;
  authorization(index: string): string | undefined;
}

type Table = Record<string, unknown>;

/** Reads `config.toml` and `credentials.toml` of cargo's home. Throws `DEPENDENCIES_CLIENT`. */
export async function readCargoConfig(env: NodeJS.ProcessEnv): Promise<CargoConfig> {
  const home = env.CARGO_HOME ?? join(env.HOME ?? homedir(), '.cargo');
  return cargoConfigOf(await readToml(home, 'config'), await readToml(home, 'credentials'), env);
}

function cargoConfigOf(config: Table, credentials: Table, env: NodeJS.ProcessEnv): CargoConfig {
  const registries = { ...named(config, 'registries', 'index'), ...fromEnvironment(env, 'INDEX') };
  const tokens = { ...named(credentials, 'registries', 'token'), ...fromEnvironment(env, 'TOKEN') };
  const sparse = (url: string | undefined): string | undefined =>
    url?.startsWith('sparse+') ? `${url.slice('sparse+'.length).replace(/\/$/, '')}/` : undefined;
  return {
    indexOf(registry) {
      if (registry !== undefined && sparse(registry) !== undefined) return sparse(registry);
      return sparse(replacement(config, registry, registries));
    },
    isNamed: (index) =>
      [...Object.values(registries), ...Object.values(named(config, 'source', 'registry'))].some(
        (one) => sparse(one) === index,
      ),
    authorization(index) {
      const name = Object.keys(registries).find((one) => sparse(registries[one]) === index);
      return name === undefined ? undefined : tokens[name];
    },
  };
}

/** Follows `[source.NAME] replace-with`, whose end is a source with a registry, or the name of one. */
function replacement(
  config: Table,
  registry: string | undefined,
  registries: Readonly<Record<string, string>>,
): string | undefined {
  const sources = tableOf(config, 'source');
  let name =
    registry === undefined
      ? 'crates-io'
      : Object.keys(sources).find((one) => textOf(tableOf(sources, one), 'registry') === registry);
  for (const seen = new Set<string>(); name !== undefined && !seen.has(name); ) {
    seen.add(name);
    const next: string | undefined = textOf(tableOf(sources, name), 'replace-with');
    if (next === undefined) return textOf(tableOf(sources, name), 'registry') ?? registries[name];
    name = next;
  }
  return undefined;
}

function named(config: Table, section: string, key: string): Record<string, string> {
  const tables = tableOf(config, section);
  return Object.fromEntries(
    Object.keys(tables).flatMap((name) => {
      const value = textOf(tableOf(tables, name), key);
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}

/** `CARGO_REGISTRIES_NAME_INDEX`: a name has small letters and dashes there. */
function fromEnvironment(env: NodeJS.ProcessEnv, key: 'INDEX' | 'TOKEN'): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([variable, value]) => {
      const [, name] = new RegExp(`^CARGO_REGISTRIES_(\\w+)_${key}$`).exec(variable) ?? [];
      if (name === undefined || value === undefined) return [];
      return [[name.toLowerCase().replaceAll('_', '-'), value] as const];
    }),
  );
}

const memberOf = (table: Table, key: string): unknown => (Object.hasOwn(table, key) ? table[key] : undefined);

const tableOf = (table: Table, key: string): Table => {
  const value = memberOf(table, key);
  return typeof value === 'object' && value !== null ? (value as Table) : {};
};

const textOf = (table: Table, key: string): string | undefined => {
  const value = memberOf(table, key);
  return typeof value === 'string' ? value : undefined;
};

async function readToml(home: string, name: string): Promise<Table> {
  // Cargo reads the older name first.
  for (const file of [name, `${name}.toml`]) {
    const path = join(home, file);
    try {
      return parseToml(await readFile(path, 'utf8'));
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') continue;
      throw new QuorateError('DEPENDENCIES_CLIENT', `${path}: ${messageOf(cause)}`, { cause });
    }
  }
  return {};
}
